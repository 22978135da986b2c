"""What is downloaded is unpacked only if it is the locked file and stays inside its folder."""
import base64
import hashlib
import io
import json
import pathlib
import tarfile
import tempfile
import unittest

from common import SCRIPTS, load

fetch = load("fetch-deps")


class FetchDeps(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def archive(self, files, link=None):
        path = self.folder / "x.tgz"
        with tarfile.open(path, "w:gz") as t:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                t.addfile(info, io.BytesIO(data))
            if link:
                info = tarfile.TarInfo(link)
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                t.addfile(info)
        return path

    def unpacked(self, row, files, link=None):
        into = self.folder / "out"
        fetch.unpack({"name": "x", "archive": self.archive(files, link), **row}, into)
        return sorted(str(p.relative_to(into)) for p in into.rglob("*") if p.is_file())

    def test_hashes(self):
        path = self.folder / "f"
        path.write_bytes(b"abc")
        sha512 = base64.b64encode(hashlib.sha512(b"abc").digest()).decode()
        self.assertTrue(fetch.matches(path, "sha512-" + sha512))
        self.assertTrue(fetch.matches(path, "sha256:" + hashlib.sha256(b"abc").hexdigest()))
        path.write_bytes(b"abd")
        self.assertFalse(fetch.matches(path, "sha512-" + sha512))

    def test_only_wanted_files(self):
        files = {"package/src/parser.c": b"1", "package/prebuilds/a.node": b"2", "package/a.wasm": b"3", "package/LICENSE": b"4"}
        self.assertEqual(self.unpacked({"grammars": {"x": "src"}}, files, link="package/src/link"), ["LICENSE", "src/parser.c"])

    def test_strip_keeps_one_folder_and_the_license(self):
        files = {"package/vendor/x/lib/a.c": b"1", "package/src/b.c": b"2", "package/LICENSE": b"3"}
        self.assertEqual(self.unpacked({"strip": "vendor/x/"}, files), ["LICENSE", "lib/a.c"])

    def test_refusals(self):
        good = {"package/src/parser.c": b"int a = 0;"}
        for row, files in (
                ({}, {"package/../../evil": b"x"}),
                ({"grammars": {"x": "other"}}, good),
                ({"files": {"src/parser.c": "sha256:" + "0" * 64}}, good),
                ({"replace": [["src/parser.c", "int b", "int c"]]}, good)):
            with self.assertRaises(fetch.Refused, msg=str(row)):
                self.unpacked(row, files)
        self.assertFalse((self.folder.parent / "evil").exists())

    def test_replace(self):
        self.unpacked({"replace": [["a.c", "= 0", "= 1"]]}, {"package/a.c": b"int a = 0;"})
        self.assertEqual((self.folder / "out" / "a.c").read_text(), "int a = 1;")

    def test_every_row_of_the_lock_is_pinned_and_hashed(self):
        rows = json.loads((SCRIPTS.parent / "third_party" / "lock.json").read_text())["packages"]
        names = [name for row in rows for name in row.get("grammars", {})]
        self.assertEqual(len(names), len(set(names)))
        for row in rows:
            self.assertRegex(row.get("npm", row.get("pip", "")), r"^@?[a-z0-9/_-]+(@|==)\d+\.\d+\.\d+$")
            self.assertRegex(row["integrity"], r"^(sha512-[A-Za-z0-9+/]{86}==|sha256:[0-9a-f]{64})$")


if __name__ == "__main__":
    unittest.main()
