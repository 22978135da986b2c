"""`codeask lsp` driven by a real editor: Neovim without a screen, as docs/editors.md configures it."""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lib import CODEASK, main  # noqa: E402

NVIM = shutil.which("nvim")

# Requests one after the other, each waited for; the answers go to a file as JSON.
SCRIPT = '''
local id = vim.lsp.start_client({ name = "codeask", cmd = { CODEASK, "lsp" }, root_dir = ROOT, init_options = { hover = true } })
vim.cmd("edit " .. ROOT .. "/src/pool.py")
vim.lsp.buf_attach_client(0, id)
local out = {}
local client = vim.lsp.get_client_by_id(id)
vim.wait(20000, function() return client.initialized end, 20)
local function ask(name, method, params)
  local answer
  client.request(method, params, function(err, result) answer = { err = err, result = result } end, 0)
  vim.wait(30000, function() return answer ~= nil end, 10)
  out[name] = answer or { err = "no answer" }
end
vim.fn.search("send_with_retry(request")
ask("definition", "textDocument/definition", vim.lsp.util.make_position_params(0, client.offset_encoding))
ask("hover", "textDocument/hover", vim.lsp.util.make_position_params(0, client.offset_encoding))
local here = { textDocument = vim.lsp.util.make_text_document_params() }
vim.api.nvim_buf_set_lines(0, 0, 0, false, { "def quokka():", "    pass", "" })
vim.api.nvim_buf_set_text(0, 0, 4, 0, 10, { "numbat" })
vim.wait(500, function() return false end) -- Neovim sends changes late
ask("symbols", "textDocument/documentSymbol", here)
out.encoding = client.offset_encoding
local file = io.open(OUT, "w")
file:write(vim.json.encode(out))
file:close()
client.stop()
vim.wait(5000, function() return client.is_stopped() end, 20)
vim.cmd("qall!")
'''


def test_neovim(w):
    repo = w.repo()
    out = w.root / "out.json"
    script = w.root / "session.lua"
    script.write_text(f"local CODEASK, ROOT, OUT = {json.dumps(CODEASK)}, {json.dumps(str(repo))}, {json.dumps(str(out))}\n{SCRIPT}")
    p = w.popen(NVIM, "--headless", "-u", "NONE", "-i", "NONE", "-n", "-S", str(script))
    said, wrong = p.communicate(timeout=120)
    assert out.exists(), said + wrong
    got = json.loads(out.read_text())
    retry = repo / "src/retry.py"
    line = retry.read_text().split("\n").index("def send_with_retry(request, policy):")
    assert got["definition"]["result"][0]["uri"] == retry.as_uri(), got["definition"]
    assert got["definition"]["result"][0]["range"]["start"] == {"line": line, "character": 4}, got["definition"]
    assert "def send_with_retry(request, policy)" in got["hover"]["result"]["contents"]["value"], got["hover"]
    names = [s["name"] for s in got["symbols"]["result"]]
    assert "numbat" in names and "quokka" not in names and "ConnectionPool" in names, names


if __name__ == "__main__":
    if not NVIM:
        print("no Neovim: the package neovim of the distribution is wanted")
        sys.exit(77)
    main(globals())
