; Python
(comment) @comment
(decorated_definition) @wrap
(module (expression_statement (string) @doc))
(function_definition body: (block . (expression_statement . (string) @doc)))
(class_definition body: (block . (expression_statement . (string) @doc)))

(class_definition name: (identifier) @name) @def.class
((function_definition name: (identifier) @name) @def.maybe_test
  (#prefix? @name "test"))
(function_definition name: (identifier) @name) @def.function
(module (expression_statement (assignment left: (identifier) @name) @def.constant))
(module (if_statement consequence: (block (expression_statement (assignment left: (identifier) @name) @def.constant))))
(class_definition body: (block (expression_statement (assignment left: (identifier) @name) @def.field)))
(type_alias_statement left: (type (identifier) @name)) @def.type

(import_statement name: (dotted_name) @ref.import)
(import_statement name: (aliased_import name: (dotted_name) @ref.import))
(import_from_statement module_name: (_) @ref.import)
(class_definition superclasses: (argument_list (identifier) @ref.inherit))
(class_definition superclasses: (argument_list (attribute attribute: (identifier) @ref.inherit)))
(class_definition superclasses: (argument_list (subscript value: (identifier) @ref.inherit)))
(call function: (identifier) @ref.call)
(call function: (attribute attribute: (identifier) @ref.call))
(decorator (identifier) @ref.call)
(decorator (attribute attribute: (identifier) @ref.call))
((type (identifier) @ref.type)
  (#not-any-of? @ref.type "str" "int" "bool" "float" "bytes" "object" "dict" "list" "tuple" "set" "None"))
((type (generic_type (identifier) @ref.type))
  (#not-any-of? @ref.type "dict" "list" "tuple" "set"))

((import_statement name: (dotted_name) @evidence)
  (#prefix? @evidence "unittest" "pytest"))
((import_from_statement module_name: (dotted_name) @evidence)
  (#prefix? @evidence "unittest" "pytest"))
(assert_statement) @evidence.inside
