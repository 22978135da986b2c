"""The law of the rooms catches what it is there for, and nothing else."""
import contextlib
import io
import pathlib
import tempfile
import unittest

from common import load

check = load("check-rooms")


class CheckRooms(unittest.TestCase):
    def breaches(self, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = check.main([root])
            lines = out.getvalue().splitlines()[:-1]
            self.assertEqual(status, 1 if lines else 0)
            return [line.split(": ")[0] for line in lines]

    def test_lawful(self):
        self.assertEqual(self.breaches({
            "base/a.c": '#include "base/err.h"\n#include <stdio.h>\n',
            "store/a.c": '#include "base/err.h"\n#include <lmdb.h>\n#include "store/store.h"\n',
            "indexer/a.c": '#include <git2.h>\n#include <tree_sitter/api.h>\n#include "store/store.h"\n',
            "service/a.c": '#include "retriever/query.h"\n#include "config/config.h"\n',
            "cli/a.c": '#include "service/methods.h"\n#include "config/paths.h"\n#include "base/err.h"\n',
            "daemon/a.c": '#include <uv.h>\n#include "lsp/lsp.h"\n#include "cli/x.h"\n',
        }), [])

    def test_upward_and_sideways(self):
        self.assertEqual(self.breaches({
            "base/a.c": '\n#include "store/store.h"\n',
            "store/a.c": '#include "kernels/backend.h"\n  #  include "config/config.h"\n',
            "engine/a.c": '#include "store/store.h"\n#include "indexer/x.h"\n',
            "retriever/a.c": '#include "indexer/x.h"\n',
        }), ["base/a.c:2", "store/a.c:1", "store/a.c:2", "engine/a.c:2", "retriever/a.c:1"])

    def test_cli_knows_three_things(self):
        self.assertEqual(self.breaches({"cli/a.h": '#include "service/service.h"\n#include "store/store.h"\n'}),
                         ["cli/a.h:1", "cli/a.h:2"])

    def test_libraries_at_home(self):
        self.assertEqual(self.breaches({
            "service/a.c": "#include <uv.h>\n#include <git2.h>\n#include <git2/blob.h>\n#include <lmdb.h>\n"
                           "#include <tree_sitter/api.h>\n"}), [f"service/a.c:{n}" for n in range(1, 6)])

    def test_length(self):
        self.assertEqual(self.breaches({"base/a.c": "\n" * 800}), [])
        self.assertEqual(self.breaches({"base/a.c": "\n" * 801, "kernels/cuda/b.cu": "\n" * 900}),
                         ["base/a.c:801", "kernels/cuda/b.cu:900"])

    def test_an_empty_tree_is_no_success(self):
        with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(check.main([root]), 1)


if __name__ == "__main__":
    unittest.main()
