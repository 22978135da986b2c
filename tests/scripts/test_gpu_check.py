"""scripts/gpu-check where there is no GPU, and what it makes of figures and failures."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from common import load

ROOT = pathlib.Path(__file__).resolve().parents[2]

CHECK = load("gpu-check")
DEVICE = {"name": "NVIDIA Test 9000 (x)", "capability": "9.0", "processors": 4, "memory_bytes": 8 << 30, "cuda": "13.0"}


class Without(unittest.TestCase):
    def test_no_driver(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-B", ROOT / "scripts/gpu-check", "--out", folder], text=True, capture_output=True,
                                  env={**os.environ, "CODEASK_LIBCUDA": "/nowhere/libcuda.so.1"})
            self.assertEqual(done.returncode, 2)
            self.assertIn("no NVIDIA driver on this machine", done.stderr)
            self.assertEqual(os.listdir(folder), [])


class Reports(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.report = CHECK.Report(self.folder.name, DEVICE, 60)

    def program(self, name, text):
        path = pathlib.Path(self.folder.name) / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o700)
        return path

    def read(self):
        return json.loads(pathlib.Path(f"{self.report.path}.json").read_text()), pathlib.Path(f"{self.report.path}.md").read_text()

    def test_goals_come_first(self):
        self.program("gpu_bench", """
echo '{"name":"gpu.read","value":3000,"unit":"GB/s"}'
echo '{"name":"gpu.blas.bf16","missing":"no cuBLAS"}'
echo '{"name":"gpu.decode.Q8_0.1","value":2400,"unit":"GB/s of weights","ratio":0.8,"of":"gpu.read","goal":0.75}'
""")
        programs = pathlib.Path(self.folder.name)
        CHECK.stage(self.report, "figures", [], lambda: CHECK.figures(self.report, programs, {}, False))
        data, text = self.read()
        self.assertEqual(len(data["figures"]), 3)
        self.assertLess(text.index("gpu.decode.Q8_0.1"), text.index("gpu.read |"))
        self.assertIn("none: no cuBLAS", text)
        self.assertTrue(str(self.report.path).rsplit("/", 1)[1].startswith("nvidia-test-9000-x-2"))

    def test_a_failure_is_one_and_a_refusal_is_none(self):
        for i, name in enumerate(CHECK.TESTS):
            self.program(f"test_cuda_{name}", f"echo said {name}; exit {(0, 1, 77)[i % 3]}")
        CHECK.stage(self.report, "tests", [], lambda: CHECK.tests(self.report, pathlib.Path(self.folder.name), {}))
        data, text = self.read()
        self.assertEqual([t["passed"] for t in data["tests"]], [i % 3 == 0 for i in range(len(CHECK.TESTS))])
        self.assertIn(f"said {CHECK.TESTS[1]}", data["tests"][1]["text"])
        self.assertIn(f"{len(range(1, len(CHECK.TESTS), 3))} failed", text)

    def test_a_stage_that_breaks_or_has_no_time(self):
        CHECK.stage(self.report, "first", [], lambda: 1 / 0)
        self.report.seconds = 0
        CHECK.stage(self.report, "second", [], lambda: self.fail("it ran"))
        data, _ = self.read()
        self.assertIn("ZeroDivisionError", data["stages"][0]["result"])
        self.assertEqual(data["stages"][1]["result"], "no time left")

    def test_what_is_packed_comes_out_and_kernels_are_in_it_once(self):
        here, there = pathlib.Path(self.folder.name) / "here", pathlib.Path(self.folder.name) / "there"
        (here / "lib").mkdir(parents=True)
        kernels = os.urandom(9 << 20)  # more than the windows of the lower presets
        names = {"gpu_bench": kernels, "test_cuda_ops": kernels, "lib/libx.so.1": b""}
        for name, begin in names.items():
            (here / name).write_bytes(begin + name.encode())
            (here / name).chmod(0o755)
        self.assertLess(CHECK.archive(here, there), 10 << 20)
        CHECK.unpack(there)
        for name, begin in names.items():
            self.assertEqual((there / name).read_bytes(), begin + name.encode())
            self.assertTrue(os.access(there / name, os.X_OK))

    def test_a_program_that_hangs_is_stopped(self):
        self.program("gpu_bench", "echo '{\"name\":\"gpu.read\",\"value\":1,\"unit\":\"GB/s\"}'; exec sleep 30")
        self.report.seconds = 2
        CHECK.figures(self.report, pathlib.Path(self.folder.name), {}, False)
        self.assertEqual(len(self.report.data["figures"]), 1)
        self.assertIn("stopped at its limit", self.report.data["notes"][0])


if __name__ == "__main__":
    unittest.main()
