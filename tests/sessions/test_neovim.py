"""`codeask lsp` driven by a real editor: Neovim without a screen, as docs/editors.md configures it."""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from editor import NVIM, neovim  # noqa: E402
from lib import CODEASK, SOURCES, main  # noqa: E402

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


CLANGD = shutil.which("clangd") or shutil.which("clangd-14")

# The user's own configuration starts clangd; codeask's is what `codeask editor install neovim` wrote.
INIT = '''
vim.api.nvim_create_autocmd("FileType", { pattern = "c", callback = function(event)
  local id = vim.lsp.start_client({ name = "clangd", cmd = { CLANGD, "--background-index=false" }, root_dir = ROOT })
  vim.lsp.buf_attach_client(event.buf, id)
end })
'''

BESIDE = '''
vim.cmd("filetype on")
dofile(PLUGIN)
USER()
vim.cmd("edit " .. ROOT .. "/lib/main.c")
local function both()
  local got = {}
  for _, c in pairs(vim.lsp.buf_get_clients(0)) do if c.initialized then got[c.name] = c end end
  return got
end
vim.wait(30000, function() return both().clangd ~= nil and both().codeask ~= nil end, 20)
vim.wait(1500, function() return false end) -- the look at who serves the file
local function all(name, method, params)
  local answers = vim.lsp.buf_request_sync(0, method, params, 30000) or {}
  out[name] = {}
  for id, answer in pairs(answers) do out[name][vim.lsp.get_client_by_id(id).name] = answer.result end
end
vim.fn.search("split_header(line)")
local at = vim.lsp.util.make_position_params(0, "utf-16")
local here = { textDocument = vim.lsp.util.make_text_document_params() }
all("hover", "textDocument/hover", at)
all("definition", "textDocument/definition", at)
all("declaration", "textDocument/declaration", at)
all("references", "textDocument/references", vim.tbl_extend("force", at, { context = { includeDeclaration = true } }))
all("symbols", "textDocument/documentSymbol", here)
all("folds", "textDocument/foldingRange", here)
all("workspace", "workspace/symbol", { query = "split_header" })
all("meant", "workspace/symbol", { query = "where is a header line cut at its colon" })
all("lens", "textDocument/codeLens", here)
vim.cmd("edit " .. ROOT .. "/src/pool.py") -- which no other server serves
vim.wait(1500, function() return false end)
vim.fn.search("send_with_retry(request")
all("python", "textDocument/definition", vim.lsp.util.make_position_params(0, "utf-16"))
vim.cmd("CodeaskAsk where is the retry policy?")
vim.wait(20000, function() return vim.fn.expand("%:p"):find("/pages/") ~= nil end, 20)
out.page = vim.api.nvim_buf_get_lines(0, 0, -1, false)
vim.fn.search("(file://")
vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes("<CR>", true, false, true), "xt", false)
out.followed = { vim.fn.expand("%:p"), vim.fn.line("."), #vim.api.nvim_list_wins() }
out.messages = vim.fn.execute("messages")
'''


def test_beside_clangd(w):
    """What clangd shows, codeask does not show a second time; hovers gain what clangd has not."""
    if not CLANGD:
        print("no clangd: the package clangd of the distribution is wanted")
        return
    repo = w.repo(files={**SOURCES, "lib/main.c": '#include "tokens.h"\n\nint main(void)\n{\n    const char *line = "a: b";\n'
                         "    return (int)split_header(line);\n}\n", "lib/tokens.h": "#include <stddef.h>\nsize_t split_header(const char *line);\n"})
    w.json("index", cwd=repo)
    made = w.run("editor", "install", "neovim", env={"XDG_CONFIG_HOME": ""})
    assert made.returncode == 0, made.stderr
    plugin = w.root / ".config/nvim/plugin/codeask.lua"
    got = neovim(w, f"function USER() {INIT} end\n{BESIDE}", CLANGD=CLANGD, ROOT=repo, PLUGIN=plugin)
    for name in ("definition", "declaration", "references", "symbols", "folds", "workspace"):
        assert not got[name].get("codeask"), (name, got[name])
    for name in ("definition", "symbols", "references"):
        assert got[name]["clangd"], (name, got[name])
    theirs, ours = got["hover"]["clangd"]["contents"]["value"], got["hover"]["codeask"]["contents"]["value"]
    assert "split_header" in theirs and "```" not in ours and "Called by 1" in ours and "Last change" in ours, ours
    assert "tokens.c" in json.dumps(got["meant"]["codeask"]), "by meaning nobody else answers"
    assert got["lens"]["codeask"], "who calls it, and its last change"
    assert got["python"]["codeask"][0]["uri"].endswith("src/retry.py"), got["python"]
    source = next(line for line in got["page"] if "(file://" in line)
    assert f"({pathlib.Path(got['followed'][0]).as_uri()}#L{got['followed'][1]})" in source and got["followed"][2] == 2, (got["followed"], source)
    assert got["page"][0].startswith("# ") and any("RetryPolicy" in line for line in got["page"]), (got["page"], got["messages"])


if __name__ == "__main__":
    if not NVIM:
        print("no Neovim: the package neovim of the distribution is wanted")
        sys.exit(77)
    main(globals())
