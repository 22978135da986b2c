"""`codeask lsp` driven by a real editor: Neovim without a screen, as docs/editors.md configures it."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from editor import NVIM, neovim  # noqa: E402
from lib import CODEASK, main  # noqa: E402

SCRIPT = '''
local id = vim.lsp.start_client({ name = "codeask", cmd = { CODEASK, "lsp" }, root_dir = ROOT, init_options = { hover = true } })
vim.cmd("edit " .. ROOT .. "/src/pool.py")
vim.lsp.buf_attach_client(0, id)
local client = vim.lsp.get_client_by_id(id)
vim.wait(20000, function() return client.initialized end, 20)
vim.fn.search("send_with_retry(request")
local at = vim.lsp.util.make_position_params(0, client.offset_encoding)
ask(client, "definition", "textDocument/definition", at)
ask(client, "hover", "textDocument/hover", at)
ask(client, "references", "textDocument/references", vim.tbl_extend("force", at, { context = { includeDeclaration = false } }))
local range = vim.lsp.util.make_range_params(0, client.offset_encoding)
range.context = { diagnostics = {} }
local actions = ask(client, "actions", "textDocument/codeAction", range)
ask(client, "explained", "workspace/executeCommand", actions[1].command)
ask(client, "asked", "workspace/executeCommand", { command = "codeask.ask", arguments = { "where is the retry policy?" } })
local here = { textDocument = vim.lsp.util.make_text_document_params() }
vim.api.nvim_buf_set_lines(0, 0, 0, false, { "def quokka():", "    pass", "" })
vim.api.nvim_buf_set_text(0, 0, 4, 0, 10, { "numbat" })
vim.wait(500, function() return false end) -- Neovim sends changes late
ask(client, "symbols", "textDocument/documentSymbol", here)
'''


def test_neovim(w):
    repo = w.repo()
    got = neovim(w, SCRIPT, CODEASK=CODEASK, ROOT=repo)
    retry = repo / "src/retry.py"
    line = retry.read_text().split("\n").index("def send_with_retry(request, policy):")
    assert got["definition"]["result"][0]["uri"] == retry.as_uri(), got["definition"]
    assert got["definition"]["result"][0]["range"]["start"] == {"line": line, "character": 4}, got["definition"]
    assert "def send_with_retry(request, policy)" in got["hover"]["result"]["contents"]["value"], got["hover"]
    assert {r["uri"] for r in got["references"]["result"]} == {(repo / "src/pool.py").as_uri()}, got["references"]
    assert [a["title"] for a in got["actions"]["result"]][:2] == ["Explain send_with_retry", "How is send_with_retry used?"], got["actions"]
    assert got["explained"]["result"]["markdown"].startswith("# Explain send_with_retry\n"), got["explained"]
    assert "RetryPolicy" in got["asked"]["result"]["markdown"], got["asked"]
    names = [s["name"] for s in got["symbols"]["result"]]
    assert "numbat" in names and "quokka" not in names and "ConnectionPool" in names, names


if __name__ == "__main__":
    if not NVIM:
        print("no Neovim: the package neovim of the distribution is wanted")
        sys.exit(77)
    main(globals())
