; what C, C++ and CUDA share
(comment) @comment

; macros that define: TEST(suite, name) {}, SYSCALL_DEFINE3(name, …) {}: they have no return type
((function_definition !type declarator: (function_declarator declarator: (identifier) @_m
  parameters: (parameter_list . (parameter_declaration) . (parameter_declaration type: (_) @name)))) @def.test
  (#prefix? @_m "TEST" "TYPED_TEST" "BENCHMARK" "GTEST"))
((function_definition !type declarator: (function_declarator declarator: (identifier) @_m
  parameters: (parameter_list . (parameter_declaration type: (_) @name)))) @def.test
  (#prefix? @_m "TEST" "BENCHMARK"))
((function_definition !type declarator: (function_declarator declarator: (identifier) @_m
  parameters: (parameter_list . (parameter_declaration type: (type_identifier) @name)))) @def.function
  (#upper? @_m ""))
((function_definition type: (type_identifier) @_m declarator: (parenthesized_declarator (identifier) @name)) @def.test
  (#prefix? @_m "TEST" "BENCHMARK"))
(function_definition type: (type_identifier) declarator: (parenthesized_declarator (identifier) @name)) @def.function
((expression_statement
  (call_expression function: (identifier) @_m arguments: (argument_list . (identifier) @name)) (MISSING ";")) @def.function
  (#upper? @_m ""))

(type_definition type: (struct_specifier !name body: (_)) declarator: (type_identifier) @name) @def.struct
(type_definition type: (enum_specifier !name body: (_)) declarator: (type_identifier) @name) @def.enum
(struct_specifier name: (type_identifier) @name body: (_)) @def.struct
(union_specifier name: (type_identifier) @name body: (_)) @def.type
(enum_specifier name: (type_identifier) @name body: (_)) @def.enum
(enumerator name: (identifier) @name) @def.field
(preproc_def name: (identifier) @name value: (_)) @def.constant
(preproc_function_def name: (identifier) @name) @def.macro

(function_definition) @frame.definition
(declaration) @frame.declaration
(field_declaration) @frame.field
(type_definition) @frame.type
(parameter_declaration) @frame.none
(function_declarator declarator: [(identifier) (field_identifier) (type_identifier)] @declares.function)
(parenthesized_declarator [(identifier) (field_identifier)] @declares.function)
(pointer_declarator declarator: [(identifier) (field_identifier) (type_identifier)] @declares.variable)
(array_declarator declarator: [(identifier) (field_identifier) (type_identifier)] @declares.variable)
(init_declarator declarator: (identifier) @declares.variable)
(declaration declarator: (identifier) @declares.variable)
(field_declaration declarator: (field_identifier) @declares.variable)
(type_definition declarator: (type_identifier) @declares.variable)

(preproc_include path: (_) @ref.import)
(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression field: (field_identifier) @ref.call))
(type_identifier) @ref.type
(initializer_pair value: (identifier) @ref.call)
