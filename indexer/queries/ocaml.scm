; OCaml
; include: ocaml_family
(value_definition) @wrap
(compilation_unit (value_definition (let_binding pattern: (value_name) @name (parameter)) @def.function))
(compilation_unit (value_definition (let_binding pattern: (value_name) @name body: [(fun_expression) (function_expression)])
  @def.function))
(structure (value_definition (let_binding pattern: (value_name) @name (parameter)) @def.function))
(structure (value_definition (let_binding pattern: (value_name) @name body: [(fun_expression) (function_expression)])
  @def.function))
(compilation_unit (value_definition (let_binding pattern: (value_name) @name) @def.constant))
(structure (value_definition (let_binding pattern: (value_name) @name) @def.constant))
(external (value_name) @name) @def.function
(method_definition (method_name) @name) @def.method
((application_expression function: (value_path (value_name) @_f) argument: (string) @name) @def.test
  (#any-of? @_f "test_case" "describe"))

(application_expression function: (value_path (value_name) @ref.call))
(infix_expression operator: (_) right: (value_path (value_name) @ref.call))
(method_invocation method: (method_name) @ref.call)
(include_module module: (module_application functor: (module_path) @ref.import))
