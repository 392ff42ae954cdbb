# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real packages are taken from a file, a directory or a pattern; the stand-in fills the gaps, and it is said."""

import build
import packages
import pytest


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with what a download of upstream's releases leaves. The stand-in is real enough here."""
    directory = tmp_path_factory.mktemp("upstream")
    for version, target in (("2.0.53-1", "debian12"), ("2.1.03-1", "debian12"), ("2.0.53-1", "ubuntu18")):
        build.main(["--version", version, "--platform", target, "--out", str(directory)], quiet=True)
    (directory / "notes.deb").write_text("of another kind")
    return directory


def names(found):
    return {target: path.rsplit("/", 1)[-1] for target, path in found.items()}


def test_a_directory_gives_the_newest_for_each_platform(place):
    assert names(packages.given(str(place))) == {
        "debian12": "hsflowd-debian12_2.1.03-1_amd64.deb",
        "ubuntu18": "hsflowd-ubuntu18_2.0.53-1_amd64.deb",
    }


def test_a_pattern(place):
    exact = str(place / "hsflowd-{platform}_2.0.53-1_amd64.deb")
    assert set(names(packages.given(exact)).values()) == {
        "hsflowd-debian12_2.0.53-1_amd64.deb",
        "hsflowd-ubuntu18_2.0.53-1_amd64.deb",
    }
    assert packages.given(str(place / "hsflowd-{platform}_{version}_{architecture}.deb")) == packages.given(str(place))


def test_a_file_is_for_its_platform(place):
    path = str(place / "hsflowd-ubuntu18_2.0.53-1_amd64.deb")
    assert packages.given(path) == {"ubuntu18": path}


def test_a_file_with_a_name_of_its_own_is_for_all(place, tmp_path):
    path = tmp_path / "mine.deb"
    path.write_bytes((place / "hsflowd-ubuntu18_2.0.53-1_amd64.deb").read_bytes())
    assert set(packages.given(str(path)).values()) == {str(path)} and {"ubuntu18", "debian12"} < set(packages.given(str(path)))


def test_nothing_is_given():
    assert packages.given("") == {} and packages.for_this_machine({}) is None


@pytest.mark.parametrize(
    "where, sentence",
    [
        ("nowhere", "there is nothing at"),
        ("notes.deb", "not a package that dpkg-deb can read"),
        ("hsflowd-{platform}_9_amd64.deb", "there is no package for amd64"),
    ],
)
def test_what_names_no_package_is_refused(place, where, sentence):
    with pytest.raises(ValueError, match=sentence):
        packages.given(str(place / where))


def test_gaps_are_filled_and_it_is_said(place, tmp_path):
    real = str(place / "hsflowd-ubuntu18_2.0.53-1_amd64.deb")
    said = packages.lay_out(real, ["2.1.25-4"], str(tmp_path / "out"), ["ubuntu18", "debian13"])
    assert said == ["ubuntu18: " + real, "debian13: the stand-in for 2.0.53-1; no real one is given"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"hsflowd-debian13.deb", "hsflowd-ubuntu18.deb"}
    assert packages.release_of(tmp_path / "out/hsflowd-debian13.deb") == "2.0.53-1"


def test_stand_ins_of_the_other_platforms_work_there_and_are_older_where_they_are_to_be(tmp_path):
    build.main(["--version", "2.0.25-3", "--platform", "ubuntu18", "--out", str(tmp_path)], quiet=True)
    real, newer, older = str(tmp_path / "hsflowd-ubuntu18_2.0.25-3_amd64.deb"), str(tmp_path / "newer"), str(tmp_path / "older")
    packages.lay_out(real, ["2.1.25-4"], newer, ["ubuntu18", "debian12"])
    packages.lay_out("", ["2.0.50-3", "2.0.21-7"], older, ["ubuntu18", "debian12"], older_than=newer)
    found = {(place, name): packages.release_of(f"{tmp_path}/{place}/hsflowd-{name}.deb")
             for place in ("newer", "older") for name in ("ubuntu18", "debian12")}
    assert found == {("newer", "ubuntu18"): "2.0.25-3", ("newer", "debian12"): "2.1.25-4",
                     ("older", "ubuntu18"): "2.0.21-7", ("older", "debian12"): "2.0.50-3"}


def test_the_package_for_this_machine(monkeypatch, tmp_path):
    found = {"ubuntu24": "a", "debian13": "b", "debian11": "c"}
    text = 'ID=%s\nVERSION_ID="%s"\n'
    for system, version, expected in (("debian", "12", "c"), ("debian", "13", "b"), ("ubuntu", "24.04", "a")):
        (tmp_path / "os-release").write_text(text % (system, version))
        monkeypatch.setattr("builtins.open", lambda *_unused, _open=open: _open(str(tmp_path / "os-release")))
        assert packages.for_this_machine(found) == expected
        monkeypatch.undo()
