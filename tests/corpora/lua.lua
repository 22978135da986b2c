-- Pickers of files and lines.
local actions = require("finder.actions")
local util = require "finder.util"

local M = {}
local LIMIT = 20

--- Finds files.
---@param opts table
function M.find(opts)
  local results = util.list(opts.dir)
  return M:filter(results)
end

function M:filter(list)
  return vim.tbl_filter(function(x) return x end, list)
end

local function normalize(path)
  return path:gsub("//", "/")
end

M.open = function(path)
  actions.open(normalize(path))
end

local close = function() actions.close() end

function print_all(t)
  for _, v in ipairs(t) do print(v) end
end

local Picker = {
  new = function(self, o) return setmetatable(o, self) end,
  limit = 3,
}

describe("finder", function()
  it("finds files", function()
    assert.same({}, M.find({}))
  end)
end)

return M
