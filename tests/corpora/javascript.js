/*!
 * Copyright(c) 2024 Example
 * MIT Licensed
 */

'use strict'

/**
 * An application: routes and what handles them.
 */

const http = require('node:http')
import { Layer } from './layer.js'
import Panel, * as panels from "./panel"
export { compose } from './compose'
export * from './errors'

const METHODS = ['get', 'post']
var slice = Array.prototype.slice, limit = 10
let app = exports = module.exports = {}

/**
 * Sets up the defaults.
 *
 * @private
 */

app.init = function init() {
  this.cache = {}
  const local = () => 1
}

app.handle = (req, res) => {
  return dispatch(req, res)
}

Layer.prototype.match = function (path) {
  return this.regexp.exec(path)
}

exports.Router = Router

defineGetter(req, 'protocol', function () {
  return this.secure ? 'https' : 'http'
})

// Compares two routes.
export function compare(a, b) {
  return a.path.localeCompare(b.path)
}

export default class Server extends EventEmitter {
  static #count = 0
  timeout = 30
  onError = (err) => { log(err) }

  constructor(options) {
    super()
    this.options = new Options(options)
  }

  get address() { return this.server.address() }

  async *lines(stream) {
    for await (const line of stream) yield line
  }
}

export const route = async ({ path, method }) => {
  await http.request(path)
}

function* walk(tree) { yield* tree.children }

const handlers = {
  open() { return 1 },
  close: function () { return 2 },
  reset: () => 3,
}

const View = ({ name }) => <Panel title={name}><Row.Item /></Panel>

const Model = class extends Base {}

describe('Server', () => {
  it('listens', async () => {
    const s = new Server()
  })
  it.each([1, 2])('counts %d', (n) => {})
})
