#!/usr/bin/env bash
# Creates a Python environment with pymesos 0.3.15 in DIR if it does not exist. The dependency http-parser ships C code
# that Cython generated for an older Python, so the code is generated again.
#   setup.sh DIR
set -euo pipefail
dir=$1
[ -x "$dir/bin/python" ] && "$dir/bin/python" -c 'import pymesos' 2>/dev/null && exit 0
echo "installing pymesos into $dir"
rm -rf "$dir"
python3 -m venv "$dir"
pip() { "$dir/bin/pip" --disable-pip-version-check -q "$@"; }
pip install setuptools==68.2.2 wheel==0.41.3 'cython==0.29.37' addict==2.4.0 six==1.16.0
pip download --no-deps --no-build-isolation --no-binary :all: -d "$dir/src" http-parser==0.9.0
tar -xzf "$dir/src/http-parser-0.9.0.tar.gz" -C "$dir/src"
rm -f "$dir/src/http-parser-0.9.0/http_parser/parser.c"
"$dir/bin/cython" "$dir/src/http-parser-0.9.0/http_parser/parser.pyx" 2>/dev/null
pip install --no-build-isolation "$dir/src/http-parser-0.9.0"
pip install --no-build-isolation pymesos==0.3.15
