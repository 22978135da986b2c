-- codeask in Neovim 0.7 and newer: questions about the code at the cursor, beside the language's own server.
-- :CodeaskAsk where is the retry policy?
local client_id = {} -- by root
local beside = {}    -- file types that another server serves

local function clients(buffer)
  return vim.lsp.get_clients and vim.lsp.get_clients({ bufnr = buffer }) or vim.lsp.buf_get_clients(buffer)
end

-- What the language's own server answers, codeask leaves to it.
local function look_beside(buffer)
  local kind = vim.bo[buffer].filetype
  local others, ours = false, false
  for _, client in pairs(clients(buffer)) do
    ours = ours or client.name == "codeask"
    others = others or client.name ~= "codeask" and (client.server_capabilities or {}).definitionProvider and true or false
  end
  if not ours or kind == "" or (beside[kind] or false) == others then return end
  beside[kind] = others or nil
  local settings = { codeask = { beside = vim.tbl_keys(beside) } }
  for _, id in pairs(client_id) do
    local client = vim.lsp.get_client_by_id(id)
    if client then client.notify("workspace/didChangeConfiguration", { settings = settings }) end
  end
end

-- Answers are pages, in a window of their own; Enter on a line with a source opens that in the window before.
local function follow()
  local path, line = vim.api.nvim_get_current_line():match("%(file://([^)#]+)#L(%d+)%)")
  if not path then return end
  vim.cmd("wincmd p")
  vim.cmd("edit +" .. line .. " " .. vim.fn.fnameescape(vim.uri_to_fname("file://" .. path)))
end

local function show_document(_, params)
  vim.cmd("botright split " .. vim.fn.fnameescape(vim.uri_to_fname(params.uri)))
  vim.bo.readonly = true
  vim.keymap.set("n", "<CR>", follow, { buffer = true, desc = "Open the source of this line" })
  return { success = true }
end
local capabilities = vim.lsp.protocol.make_client_capabilities()
capabilities.window.showDocument = { support = true } -- Neovim 0.7 has none of its own

local function start(buffer)
  local file = vim.api.nvim_buf_get_name(buffer)
  if file == "" or vim.bo[buffer].buftype ~= "" then return end
  local git = vim.fn.finddir(".git", vim.fn.fnamemodify(file, ":p:h") .. ";")
  if git == "" then git = vim.fn.findfile(".git", vim.fn.fnamemodify(file, ":p:h") .. ";") end -- a worktree's
  if git == "" then return end
  local root = vim.fn.fnamemodify(git, ":p")
  root = vim.fn.fnamemodify(root, root:sub(-1) == "/" and ":h:h" or ":h")
  local config = { name = "codeask", cmd = { "@CODEASK@", "lsp" }, root_dir = root, init_options = { beside = vim.tbl_keys(beside) },
    capabilities = capabilities, handlers = { ["window/showDocument"] = show_document } }
  if vim.lsp.start then
    client_id[root] = vim.lsp.start(config, { bufnr = buffer })
  else -- 0.7
    local id = client_id[root]
    if not id or not vim.lsp.get_client_by_id(id) then client_id[root] = vim.lsp.start_client(config) end
    if client_id[root] then vim.lsp.buf_attach_client(buffer, client_id[root]) end
  end
  for _, wait in ipairs({ 100, 1000, 5000 }) do -- another server may come later
    vim.defer_fn(function() if vim.api.nvim_buf_is_valid(buffer) then look_beside(buffer) end end, wait)
  end
end

local group = vim.api.nvim_create_augroup("codeask", {})
vim.api.nvim_create_autocmd("FileType", { group = group, callback = function(event) start(event.buf) end })
vim.api.nvim_create_autocmd({ "BufEnter", "CursorHold" }, { group = group, callback = function(event) look_beside(event.buf) end })

vim.api.nvim_create_user_command("CodeaskAsk", function(call)
  local _, id = next(client_id)
  for _, client in pairs(clients(0)) do
    if client.name == "codeask" then id = client.id end
  end
  local client = id and vim.lsp.get_client_by_id(id)
  if not client then vim.notify("codeask serves no file that is open", vim.log.levels.WARN) return end
  local params = { command = "codeask.ask", arguments = { { query = call.args, uri = vim.uri_from_bufnr(0) } } }
  vim.notify("codeask: looking …")
  client.request("workspace/executeCommand", params, function(err)
    if err then vim.notify(err.message, vim.log.levels.ERROR) end
  end, 0)
end, { nargs = "+", desc = "Ask codeask about this repository" })
