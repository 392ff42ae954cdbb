"""Builds the tarball of the collection so that the same sources give the same bytes.

Usage: dist.py [--output-path DIRECTORY]

`ansible-galaxy collection build` lists the files in the order of the file system and stores their times, so two clones give two
tarballs. Here the sources are what git would ship, the list is sorted, and every time is SOURCE_DATE_EPOCH (0 without it).
"""

import argparse
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def packer():
    spec = importlib.util.spec_from_file_location("_archive", ROOT / "plugins/plugin_utils/_archive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(output: pathlib.Path) -> pathlib.Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout.decode()
    with tempfile.TemporaryDirectory() as scratch:
        tree, built, unpacked = (pathlib.Path(scratch, name) for name in ("tree", "built", "unpacked"))
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, tree / name)
        galaxy = pathlib.Path(sys.executable).parent / "ansible-galaxy"
        subprocess.run(
            [galaxy, "collection", "build", "--output-path", built], cwd=tree, check=True, stdout=subprocess.DEVNULL
        )
        (made,) = built.glob("*.tar.gz")
        with tarfile.open(made) as archive:
            archive.extractall(unpacked)  # our own, of a moment ago
        data = packer().pack(str(unpacked), ordered=True, mtime=int(os.environ.get("SOURCE_DATE_EPOCH") or 0))
        output.mkdir(parents=True, exist_ok=True)
        (output / made.name).write_bytes(data)
        return output / made.name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output-path", type=pathlib.Path, default=ROOT)
    print(build(parser.parse_args().output_path.resolve()))
