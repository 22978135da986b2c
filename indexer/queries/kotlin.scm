; Kotlin
(line_comment) @comment
(block_comment) @comment

(class_declaration "interface" name: (identifier) @name) @def.interface
(class_declaration name: (identifier) @name (enum_class_body)) @def.enum
(class_declaration name: (identifier) @name) @def.class
(object_declaration name: (identifier) @name) @def.module
(companion_object name: (identifier) @name) @def.module
(enum_entry (identifier) @name) @def.field
((function_declaration (modifiers (annotation (user_type (identifier) @_a))) name: (identifier) @name) @def.test
  (#any-of? @_a "Test" "ParameterizedTest" "RepeatedTest"))
(function_declaration . (user_type (identifier) @scope .) name: (identifier) @name) @def.function
(function_declaration (modifiers) . (user_type (identifier) @scope .) name: (identifier) @name) @def.function
(function_declaration name: (identifier) @name) @def.function
(secondary_constructor "constructor" @name) @def.method
(property_declaration (variable_declaration . (identifier) @name)) @def.variable
(class_parameter ["val" "var"] (identifier) @name) @def.field
(type_alias type: (identifier) @name) @def.type

(import [(identifier) (qualified_identifier)] @ref.import)
(call_expression . (identifier) @ref.call)
(call_expression . (navigation_expression (identifier) @ref.call .))
(infix_expression (_) . (identifier) @ref.call . (_))
(delegation_specifier (constructor_invocation (user_type (identifier) @ref.inherit .)))
(delegation_specifier (constructor_invocation (user_type (identifier) @ref.inherit . (type_arguments))))
(delegation_specifier (user_type (identifier) @ref.implement .))
(delegation_specifier (user_type (identifier) @ref.implement . (type_arguments)))
(user_type (identifier) @ref.type)
