//! `--mount` of `docker run`: fields in the form of a line of CSV.

use serde_json::{Value, json};

use super::units;

/// Reads e.g. `type=bind,source=/a,target=/b,readonly`.
///
/// # Errors
/// Returns what is wrong with the text.
pub fn mount(text: &str) -> Result<Value, String> {
    let mut mount = json!({ "Type": "volume" });
    for field in text.split(',') {
        let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
        let needed = || value.ok_or_else(|| format!("has the field '{key}' without a value"));
        let truth = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(format!("has the field '{key}' with the value '{other}'; expected true or false")),
        };
        match key {
            "type" => mount["Type"] = needed()?.into(),
            "source" | "src" => mount["Source"] = needed()?.into(),
            "target" | "dst" | "destination" => mount["Target"] = needed()?.into(),
            "readonly" | "ro" => mount["ReadOnly"] = truth()?.into(),
            "consistency" => mount["Consistency"] = needed()?.into(),
            "bind-propagation" => mount["BindOptions"]["Propagation"] = needed()?.into(),
            "bind-nonrecursive" => mount["BindOptions"]["NonRecursive"] = truth()?.into(),
            "volume-nocopy" => mount["VolumeOptions"]["NoCopy"] = truth()?.into(),
            "volume-driver" => mount["VolumeOptions"]["DriverConfig"]["Name"] = needed()?.into(),
            "volume-opt" | "volume-label" => {
                let (name, value) = needed()?.split_once('=').unwrap_or((needed()?, ""));
                let place = match key {
                    "volume-opt" => &mut mount["VolumeOptions"]["DriverConfig"]["Options"][name],
                    _ => &mut mount["VolumeOptions"]["Labels"][name],
                };
                *place = value.into();
            }
            "tmpfs-size" => mount["TmpfsOptions"]["SizeBytes"] = units::size(needed()?)?.into(),
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(needed()?, 8).map_err(|_| format!("has no mode in '{field}'"))?;
                mount["TmpfsOptions"]["Mode"] = mode.into();
            }
            _ => return Err(format!("has the unknown field '{key}'")),
        }
    }
    if !matches!(mount["Type"].as_str(), Some("bind" | "volume" | "tmpfs")) {
        return Err("has a type other than bind, volume and tmpfs".to_owned());
    }
    if mount["Target"].is_null() {
        return Err("has no target".to_owned());
    }
    Ok(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_as_docker_reads_them() {
        assert_eq!(
            mount("type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave"),
            Ok(json!({ "Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true,
                "BindOptions": { "Propagation": "rslave" } }))
        );
        assert_eq!(
            mount("source=v,target=/v,volume-driver=d,volume-opt=size=1g"),
            Ok(json!({ "Type": "volume", "Source": "v", "Target": "/v",
                "VolumeOptions": { "DriverConfig": { "Name": "d", "Options": { "size": "1g" } } } }))
        );
        assert_eq!(
            mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777"),
            Ok(json!({ "Type": "tmpfs", "Target": "/t", "TmpfsOptions": { "SizeBytes": 1 << 20, "Mode": 0o1777 } }))
        );
        for (text, expect) in [
            ("type=bind", "no target"),
            ("type=npipe,target=/x", "a type other than"),
            ("target=/x,foo=1", "unknown field 'foo'"),
            ("target", "without a value"),
            ("target=/x,ro=maybe", "expected true or false"),
        ] {
            assert!(mount(text).unwrap_err().contains(expect), "{text}");
        }
    }
}
