; Lua
(comment) @comment
(variable_declaration) @wrap

(function_declaration name: (identifier) @name) @def.function
(function_declaration name: [(dot_index_expression) (method_index_expression)] @qname) @def.function
(assignment_statement (variable_list name: (identifier) @name) (expression_list value: (function_definition))) @def.function
(assignment_statement (variable_list name: (dot_index_expression) @qname) (expression_list value: (function_definition)))
  @def.function
(field name: (identifier) @name value: (function_definition)) @def.function
((function_call name: (identifier) @_f arguments: (arguments . (string) @name (function_definition))) @def.test
  (#any-of? @_f "describe" "it" "test" "context" "insulate"))
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @name)) @def.variable))
(chunk (assignment_statement (variable_list name: (identifier) @name)) @def.variable)

((function_call name: (identifier) @_r arguments: (arguments . (string) @ref.import))
  (#any-of? @_r "require" "dofile" "loadfile"))
(function_call name: (identifier) @ref.call)
(function_call name: (dot_index_expression field: (identifier) @ref.call))
(function_call name: (method_index_expression method: (identifier) @ref.call))
