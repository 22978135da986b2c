; Elixir: everything is a call
(comment) @comment
((unary_operator operator: "@" operand: (call target: (identifier) @_d (arguments))) @comment
  (#any-of? @_d "doc" "typedoc"))
((unary_operator operator: "@" operand: (call target: (identifier) @_d (arguments))) @attr
  (#any-of? @_d "spec" "impl" "deprecated" "tag" "since" "dialyzer"))
((unary_operator operator: "@" operand: (call target: (identifier) @_d (arguments (_) @doc)))
  (#eq? @_d "moduledoc"))

((call target: (identifier) @_t (arguments . (alias) @name)) @def.module
  (#eq? @_t "defmodule"))
((call target: (identifier) @_t (arguments . (alias) @name)) @def.interface
  (#eq? @_t "defprotocol"))
((call target: (identifier) @_t (arguments . (alias) @name @ref.implement)) @def.implementation
  (#eq? @_t "defimpl"))
((call target: (identifier) @_t (arguments . (call target: (identifier) @name))) @def.function
  (#any-of? @_t "def" "defp" "defdelegate" "defguard" "defguardp" "defn"))
((call target: (identifier) @_t (arguments . (identifier) @name)) @def.function
  (#any-of? @_t "def" "defp" "defdelegate" "defguard" "defn"))
((call target: (identifier) @_t
  (arguments . (binary_operator left: (call target: (identifier) @name) operator: "when"))) @def.function
  (#any-of? @_t "def" "defp" "defguard" "defguardp" "defn"))
((call target: (identifier) @_t (arguments . (call target: (identifier) @name))) @def.macro
  (#any-of? @_t "defmacro" "defmacrop"))
((call target: (identifier) @_t
  (arguments . (binary_operator left: (call target: (identifier) @name) operator: "when"))) @def.macro
  (#any-of? @_t "defmacro" "defmacrop"))
((call target: (identifier) @_t (arguments . (string) @name) (do_block)) @def.test
  (#any-of? @_t "test" "describe" "property"))
((unary_operator operator: "@" operand: (call target: (identifier) @_d
  (arguments (binary_operator left: (identifier) @name operator: "::")))) @def.type
  (#any-of? @_d "type" "typep" "opaque"))
((unary_operator operator: "@" operand: (call target: (identifier) @name (arguments))) @def.constant
  (#not-any-of? @name "doc" "moduledoc" "typedoc" "spec" "impl" "type" "typep" "opaque" "callback" "macrocallback" "behaviour"
    "deprecated" "tag" "since" "dialyzer" "derive" "optional_callbacks" "compile" "before_compile" "moduletag" "external_resource"))
((unary_operator operator: "@" operand: (call target: (identifier) @_d
  (arguments (binary_operator left: (call target: (identifier) @name) operator: "::")))) @def.type
  (#any-of? @_d "type" "typep" "opaque"))
((unary_operator operator: "@" operand: (call target: (identifier) @_d
  (arguments (binary_operator left: (call target: (identifier) @name) operator: "::")))) @def.prototype
  (#any-of? @_d "callback" "macrocallback"))

((call target: (identifier) @_t (arguments . (dot left: (alias) @ref.import)))
  (#any-of? @_t "alias" "import"))
((call target: (identifier) @_t (arguments . (alias) @ref.import))
  (#any-of? @_t "alias" "import" "require" "use"))
((unary_operator operator: "@" operand: (call target: (identifier) @_d (arguments (alias) @ref.implement)))
  (#eq? @_d "behaviour"))
((call target: (identifier) @ref.call)
  (#not-any-of? @ref.call "def" "defp" "defmodule" "defmacro" "defmacrop" "defimpl" "defprotocol" "defstruct" "doc" "spec"
    "moduledoc" "defguard" "defguardp" "defdelegate" "behaviour" "opaque" "typedoc" "tag" "deprecated" "since" "alias" "import" "require" "use" "if" "unless" "case" "cond" "with" "for" "test" "describe" "type" "typep"
    "callback" "impl" "quote" "unquote"))
(call target: (dot right: (identifier) @ref.call))
