; Ruby
(comment) @comment

(class name: (constant) @name) @def.class
(class name: (scope_resolution) @qname) @def.class
(module name: (constant) @name) @def.module
(module name: (scope_resolution) @qname) @def.module
((method name: (identifier) @name) @def.maybe_test
  (#prefix? @name "test_"))
(method name: (_) @name) @def.method
(singleton_method name: (_) @name) @def.method
(assignment left: (constant) @name) @def.constant
((call method: (identifier) @_a arguments: (argument_list (simple_symbol) @qname)) @def.field
  (#any-of? @_a "attr_accessor" "attr_reader" "attr_writer" "cattr_accessor" "mattr_accessor" "class_attribute"
    "thread_mattr_accessor"))
((call !receiver method: (identifier) @_a arguments: (argument_list . (simple_symbol) @qname)) @def.method
  (#any-of? @_a "define_method" "scope" "delegate" "has_many" "has_one" "belongs_to"))
((call !receiver method: (identifier) @_f arguments: (argument_list . (_) @name) block: (_)) @def.test
  (#any-of? @_f "describe" "it" "context" "specify" "test" "feature" "scenario" "shared_examples"))
((call receiver: (constant) @_r method: (identifier) @_f arguments: (argument_list . (_) @name) block: (_)) @def.test
  (#eq? @_r "RSpec") (#eq? @_f "describe"))

((call !receiver method: (identifier) @_r arguments: (argument_list . (string) @ref.import))
  (#any-of? @_r "require" "require_relative" "load"))
((call method: (identifier) @_r arguments: (argument_list (string) @ref.import .))
  (#eq? @_r "autoload"))
(superclass [(constant) @ref.inherit (scope_resolution name: (constant) @ref.inherit)])
((call !receiver method: (identifier) @_i arguments: (argument_list [(constant) @ref.implement
  (scope_resolution name: (constant) @ref.implement)]))
  (#any-of? @_i "include" "extend" "prepend"))
((call method: (identifier) @ref.call)
  (#not-any-of? @ref.call "new" "require" "require_relative" "attr_reader" "attr_accessor" "include" "describe" "it"))
((call receiver: [(constant) @ref.call (scope_resolution name: (constant) @ref.call)] method: (identifier) @_n)
  (#eq? @_n "new"))
(call receiver: [(constant) @ref.type (scope_resolution name: (constant) @ref.type)])
