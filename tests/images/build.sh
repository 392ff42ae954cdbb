#!/usr/bin/env bash
# Builds the images of the test hosts, netviz-sflow/NAME:local, and leaves those alone that are up to date.
# Usage: build.sh [NAME ...]      NAME: debian11 debian12 debian13 ubuntu1804 ubuntu2004 ubuntu2204 ubuntu2404
#
# The base is the distribution's own image where it can be pulled. Where it cannot, Debian hosts get a root made by
# mmdebstrap from the Debian archive, and ubuntu1804 becomes "bionic-like": that Debian 12 root with the os-release of
# Ubuntu 18.04 and a Python 3.6 of this machine; it is honest about it in /etc/netviz-sflow-stand-in. A host that cannot be
# built is reported on standard output as `skipped NAME: why`, and the exit status stays 0.
# In every image /usr/local/bin/python-of-host is the interpreter that Ansible is to use.
set -euo pipefail
cd "$(dirname "$0")"

declare -A suite=([debian11]=bullseye [debian12]=bookworm [debian13]=trixie)
declare -A pull=(
  [debian11]=debian:11 [debian12]=debian:12 [debian13]=debian:13
  [ubuntu1804]=ubuntu:18.04 [ubuntu2004]=ubuntu:20.04 [ubuntu2204]=ubuntu:22.04 [ubuntu2404]=ubuntu:24.04
)
inputs=$(cat build.sh Dockerfile packages.txt | sha256sum | cut -c1-16)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The old builder tells everybody to install the new one.
docker_build() { docker build --quiet "$@" 2> >(grep -vE '^DEPRECATED: The legacy builder|Install the buildx component|docs.docker.com/go/buildx|^$' >&2) >/dev/null; }

image() { echo "netviz-sflow/$1:local"; }
root_image() { echo "netviz-sflow/$1:root-$(sha256sum packages.txt | cut -c1-12)"; }
label() { docker image inspect -f "{{index .Config.Labels \"netviz.sflow.$2\"}}" "$(image "$1")" 2>/dev/null; }

up_to_date() {
  [ "$(label "$1" inputs)" = "$inputs" ]
}

finish() { # NAME BASE ORIGIN: adds what every host has
  local former
  former=$(docker image inspect -f '{{.Id}}' "$(image "$1")" 2>/dev/null || true)
  docker_build --build-arg "BASE=$2" --build-arg "INPUTS=$inputs" --label "netviz.sflow.origin=$3" --tag "$(image "$1")" .
  echo "built $(image "$1") from $3"
  [ -z "$former" ] || docker image rm "$former" >/dev/null 2>&1 || true # unless a container still has it
}

debian_root() { # NAME: imports a root made from the Debian archive
  if docker image inspect "$(root_image "$1")" >/dev/null 2>&1; then return; fi
  if ! command -v mmdebstrap >/dev/null; then
    ../install.sh mmdebstrap debian-archive-keyring || { echo "mmdebstrap cannot be installed"; return 1; }
  fi
  if ! mmdebstrap --quiet --variant=minbase --include="$(paste -sd, packages.txt)" "${suite[$1]}" "$work/root.tar" 2>"$work/log" >&2; then
    echo "the Debian archive does not give ${suite[$1]} ($(tail -n 1 "$work/log"))"
    return 1
  fi
  docker import "$work/root.tar" "$(root_image "$1")" >/dev/null
  rm "$work/root.tar"
}

bionic_like() { # makes the root of ubuntu1804
  local prefix container
  prefix=$(./python36.sh) || { echo "ubuntu:18.04 cannot be pulled, and this machine has no Python 3.6 for a stand-in"; return 1; }
  debian_root debian12 || return 1
  container=$(docker create "$(root_image debian12)" /bin/true)
  # Not where it was built: a service with ProtectHome could not read it there. The linker's cache finds its library.
  tar -C "$prefix" --exclude test --exclude '__pycache__' --exclude '*.a' --exclude 'site-packages/*' \
    --transform 's,^\.,opt/python3.6,' -cf "$work/python.tar" ./bin ./lib
  docker cp - "$container:/" <"$work/python.tar"
  mkdir -p "$work/etc/ld.so.conf.d" "$work/usr/lib" "$work/usr/local/bin"
  cat >"$work/usr/lib/os-release" <<'OS'
NAME="Ubuntu"
VERSION="18.04.6 LTS (Bionic Beaver)"
ID=ubuntu
ID_LIKE=debian
PRETTY_NAME="Ubuntu 18.04.6 LTS"
VERSION_ID="18.04"
VERSION_CODENAME=bionic
UBUNTU_CODENAME=bionic
OS
  echo /opt/python3.6/lib >"$work/etc/ld.so.conf.d/python3.6.conf"
  echo "A stand-in for Ubuntu 18.04: Debian 12 with the os-release of Ubuntu 18.04 and Python 3.6." >"$work/etc/netviz-sflow-stand-in"
  ln -s /opt/python3.6/bin/python3.6 "$work/usr/local/bin/python-of-host"
  tar -C "$work" --owner 0 --group 0 -cf "$work/etc.tar" etc usr
  docker cp - "$container:/" <"$work/etc.tar"
  docker commit "$container" "$(root_image ubuntu1804)" >/dev/null
  docker rm "$container" >/dev/null
  printf 'FROM %s\nRUN ldconfig && python-of-host -c "import ssl, ctypes"\n' "$(root_image ubuntu1804)" |
    docker_build --tag "$(root_image ubuntu1804)" -
}

for name in "${@:-debian12}"; do
  [ -n "${pull[$name]:-}" ] || { echo "unknown image $name; known: ${!pull[*]}" >&2; exit 2; }
  if up_to_date "$name"; then
    echo "present $(image "$name") from $(label "$name" origin)"
    continue
  fi
  if docker image inspect "${pull[$name]}" >/dev/null 2>&1 || timeout 120 docker pull --quiet "${pull[$name]}" >/dev/null 2>&1; then
    finish "$name" "${pull[$name]}" "${pull[$name]}"
    continue
  fi
  case $name in
    debian*) root=debian_root from="the Debian archive" ;;
    ubuntu1804) root=bionic_like from="a stand-in: Debian 12 with Python 3.6" ;;
    *) root=false from= ;;
  esac
  set +e  # in a condition -e would not end it at what fails
  why=$(set -e; $root "$name")
  failed=$?
  set -e
  if [ $failed = 0 ]; then
    finish "$name" "$(root_image "$name")" "$from"
  else
    docker image rm "$(image "$name")" >/dev/null 2>&1 || true # never test on an outdated one
    echo "skipped $name: ${why:-${pull[$name]} cannot be pulled}"
  fi
done
