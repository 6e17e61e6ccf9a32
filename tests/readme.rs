//! The README names what there is.

use crate::project;

#[test]
fn the_readme_names_every_setting_and_every_function() {
    let readme = project::read("README.md");
    for setting in runtime::settings::ALL {
        assert!(readme.contains(setting.name), "{}", setting.name);
    }
    for function in project::directories("functions") {
        assert!(readme.contains(&function), "{function}");
    }
}

#[test]
fn the_readme_names_every_metric_and_their_namespace() {
    let readme = project::read("README.md");
    assert!(readme.contains(runtime::metrics::NAMESPACE));
    for metric in crate::alarms::all_published().into_values().flatten() {
        let named = format!("`{}`", metric.name);
        assert!(readme.contains(&named), "{named}");
    }
}
