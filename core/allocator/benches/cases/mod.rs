//! The selection of benchmark cases on the command line.

/// Returns a predicate on the names of cases: without arguments all are selected, otherwise those that contain one of
/// the arguments. The option `--bench`, which cargo adds, is ignored.
pub fn case_filter() -> impl Fn(&str) -> bool {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    move |name| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str()))
}
