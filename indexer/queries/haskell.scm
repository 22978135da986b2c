; Haskell
(comment) @comment
(haddock) @comment

(declarations (signature name: [(variable) (prefix_id)]) @head)
(declarations (function name: [(variable) (prefix_id)] @name) @def.function)
(declarations (function (infix operator: (operator) @name)) @def.function)
(declarations (bind name: (variable) @name) @def.function)
(data_type name: (_) @name) @def.type
(newtype name: (_) @name) @def.type
(type_synomym name: (_) @name) @def.type
(type_family name: (_) @name) @def.type
(data_family name: (_) @name) @def.type
(data_constructor constructor: (prefix name: (constructor) @name)) @def.field
(data_constructor constructor: (record name: (constructor) @name)) @def.field
(newtype_constructor name: (constructor) @name) @def.field
(gadt_constructor name: (constructor) @name) @def.field
(field name: (field_name (variable) @name)) @def.field
(class name: (name) @name) @def.interface
(instance name: (_) @ref.implement patterns: (type_patterns . (_) @name)) @def.implementation
(class_declarations (signature name: (variable) @name) @def.method)
(instance_declarations (function name: (variable) @name) @def.method)
(instance_declarations (bind name: (variable) @name) @def.method)
((apply function: (variable) @_f argument: (literal (string) @name)) @def.test
  (#any-of? @_f "describe" "it" "specify" "prop" "testCase" "testProperty" "testGroup" "context"))

(import module: (module) @ref.import)
(apply function: (variable) @ref.call)
(apply function: (qualified id: (variable) @ref.call))
(infix operator: (infix_id (variable) @ref.call))
((infix left_operand: (variable) @ref.call operator: (operator) @_o)
  (#any-of? @_o "$" "." "<$>" "<*>" "=<<" "$!" "<$!>"))
((infix operator: (operator) @_o right_operand: (variable) @ref.call)
  (#any-of? @_o "." ">>=" ">=>" "<=<" "=<<" "&"))
(name) @ref.type
