"""The closing line counts what ctest says, and a test that could not start is a failure."""
import contextlib
import io
import pathlib
import tempfile
import unittest

from common import load

report = load("test-report")
CASES = {
    "passed": '<testcase name="a/ok" time="0.5" status="run"><system-out>x</system-out></testcase>',
    "failed": '<testcase name="a/bad" time="0.1" status="fail"><failure message="Failed"/><system-out>why</system-out></testcase>',
    "skipped": '<testcase name="a/no" time="0" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>',
    "disabled": '<testcase name="a/off" time="0" status="disabled"><skipped message="Disabled"/></testcase>',
    "absent": '<testcase name="b/gone" time="0" status="notrun"><skipped message="Unable to find executable"/></testcase>',
    "slow": '<testcase name="slow/x" time="9" status="run"/>',
}


class Report(unittest.TestCase):
    def run_on(self, *names):
        with tempfile.TemporaryDirectory() as folder:
            results, budgets = pathlib.Path(folder, "r.xml"), pathlib.Path(folder, "b")
            results.write_text("<testsuite>" + "".join(CASES[n] for n in names) + "</testsuite>")
            budgets.write_text("# seconds\ndefault 60\nslow 5\n")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                status = report.main(str(results), str(budgets))
            return status, out.getvalue().splitlines()

    def closing(self, *names):
        status, lines = self.run_on(*names)
        return status, lines[-1]

    def test_counts(self):
        self.assertEqual(self.closing("passed"), (0, "1 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.closing("passed", "skipped", "disabled"), (0, "1 passed, 0 failed, 2 skipped"))
        self.assertEqual(self.closing("passed", "failed"), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertEqual(self.closing("passed", "absent"), (1, "1 passed, 1 failed, 0 skipped"))

    def test_nothing_run_is_no_success(self):
        self.assertEqual(self.closing(), (1, "0 passed, 0 failed, 0 skipped"))
        self.assertEqual(self.closing("skipped"), (1, "0 passed, 0 failed, 1 skipped"))

    def test_a_failure_shows_its_output(self):
        self.assertIn("    why", self.run_on("failed")[1])

    def test_a_budget_warns_and_never_fails(self):
        status, lines = self.run_on("slow")
        self.assertEqual(status, 0)
        self.assertTrue(any("WARNING" in line for line in lines))


if __name__ == "__main__":
    unittest.main()
