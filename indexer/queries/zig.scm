; Zig
(comment) @comment

(function_declaration name: (identifier) @name) @def.function
(variable_declaration . (identifier) @name (struct_declaration)) @def.struct
(variable_declaration . (identifier) @name (enum_declaration)) @def.enum
(variable_declaration . (identifier) @name (union_declaration)) @def.type
(variable_declaration . (identifier) @name (error_set_declaration)) @def.enum
(variable_declaration . (identifier) @name (opaque_declaration)) @def.type
(variable_declaration "var" . (identifier) @name) @def.variable
(variable_declaration . (identifier) @name) @def.constant
(container_field name: (identifier) @name) @def.field
(test_declaration [(string) (identifier)] @name) @def.test

((builtin_function (builtin_identifier) @_b (arguments (string) @ref.import))
  (#any-of? @_b "@import" "@cImport" "@embedFile"))
(using_namespace_declaration (field_expression) @ref.export)
(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression member: (identifier) @ref.call))
(parameter type: (identifier) @ref.type)
(parameter type: (pointer_type (identifier) @ref.type))
(container_field type: (identifier) @ref.type)
