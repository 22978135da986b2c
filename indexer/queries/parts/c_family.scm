; what C, C++ and CUDA share
(comment) @comment

; macros that define: TEST(suite, name) {}, SYSCALL_DEFINE3(name, …) {}: they have no return type
((function_definition !type declarator: (function_declarator declarator: (identifier) @_m
  parameters: (parameter_list . (parameter_declaration type: (_)) . (parameter_declaration type: (_) @name)))) @def.test
  (#prefix? @_m "TEST" "TYPED_TEST" "BENCHMARK" "GTEST"))
((function_definition !type declarator: (function_declarator declarator: (identifier) @_m
  parameters: (parameter_list . (parameter_declaration type: (_) @name)))) @def.test
  (#prefix? @_m "TEST" "BENCHMARK"))
((function_definition type: (type_identifier) @_m declarator: (parenthesized_declarator (identifier) @name)) @def.test
  (#prefix? @_m "TEST" "BENCHMARK"))
(function_definition type: (type_identifier) declarator: (parenthesized_declarator (identifier) @name)) @def.function
((translation_unit (expression_statement
  (call_expression function: (identifier) @_m arguments: (argument_list . (identifier) @name)) (MISSING ";")) @def.function)
  (#upper? @_m ""))
((function_definition !type declarator: (function_declarator declarator: (identifier) @_m
  parameters: (parameter_list . (parameter_declaration type: (type_identifier) @name)))) @def.function
  (#upper? @_m ""))

(function_definition declarator: (function_declarator declarator: (identifier) @name)) @def.function
(function_definition
  declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name))) @def.function
(function_definition
  declarator: (pointer_declarator
    declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name)))) @def.function
(function_definition
  declarator: (function_declarator
    declarator: (parenthesized_declarator
      (pointer_declarator declarator: (function_declarator declarator: (identifier) @name))))) @def.function
(function_definition
  declarator: (function_declarator declarator: (parenthesized_declarator (identifier) @name))) @def.function

(declaration declarator: (function_declarator declarator: (identifier) @name)) @def.prototype
(declaration declarator: (pointer_declarator
  declarator: (function_declarator declarator: (identifier) @name))) @def.prototype
(declaration declarator: (pointer_declarator
  declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name)))) @def.prototype
(declaration declarator: (function_declarator declarator: (parenthesized_declarator (identifier) @name))) @def.prototype

(struct_specifier name: (type_identifier) @name body: (_)) @def.struct
(union_specifier name: (type_identifier) @name body: (_)) @def.type
(enum_specifier name: (type_identifier) @name body: (_)) @def.enum
(enumerator name: (identifier) @name) @def.field
(type_definition type: (struct_specifier !name body: (_)) declarator: (type_identifier) @name) @def.struct
(type_definition type: (enum_specifier !name body: (_)) declarator: (type_identifier) @name) @def.enum
(type_definition declarator: (type_identifier) @name) @def.type
(type_definition declarator: (pointer_declarator declarator: (type_identifier) @name)) @def.type
(type_definition declarator: (array_declarator declarator: (type_identifier) @name)) @def.type
(type_definition declarator: (function_declarator declarator: (type_identifier) @name)) @def.type
(type_definition declarator: (function_declarator
  declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name)))) @def.type
(type_definition declarator: (pointer_declarator declarator: (function_declarator
  declarator: (parenthesized_declarator (pointer_declarator declarator: (type_identifier) @name))))) @def.type

(field_declaration declarator: (field_identifier) @name) @def.field
(field_declaration declarator: (pointer_declarator declarator: (field_identifier) @name)) @def.field
(field_declaration declarator: (array_declarator declarator: (field_identifier) @name)) @def.field
(field_declaration declarator: (pointer_declarator declarator: (array_declarator declarator: (field_identifier) @name)))
  @def.field
(field_declaration declarator: (function_declarator
  declarator: (parenthesized_declarator (pointer_declarator declarator: (field_identifier) @name)))) @def.field

(preproc_def name: (identifier) @name value: (_)) @def.constant
(preproc_function_def name: (identifier) @name) @def.macro
(translation_unit (declaration declarator: (init_declarator declarator: (identifier) @name)) @def.variable)
(translation_unit (declaration declarator: (init_declarator
  declarator: (array_declarator declarator: (identifier) @name))) @def.variable)
(translation_unit (declaration declarator: (init_declarator
  declarator: (pointer_declarator declarator: (identifier) @name))) @def.variable)
(translation_unit (declaration declarator: (init_declarator
  declarator: (pointer_declarator declarator: (array_declarator declarator: (identifier) @name)))) @def.variable)
(translation_unit (declaration declarator: (init_declarator
  declarator: (array_declarator declarator: (array_declarator declarator: (identifier) @name)))) @def.variable)
(translation_unit (declaration declarator: (identifier) @name) @def.variable)
(translation_unit (declaration declarator: (pointer_declarator declarator: (identifier) @name)) @def.variable)
(translation_unit (declaration declarator: (array_declarator declarator: (identifier) @name)) @def.variable)

(preproc_include path: (_) @ref.import)
(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression field: (field_identifier) @ref.call))
(type_identifier) @ref.type
(initializer_pair value: (identifier) @ref.call)
