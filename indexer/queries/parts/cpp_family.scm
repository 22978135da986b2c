; what C++ and CUDA have beyond C
(template_declaration) @wrap
(class_specifier name: (type_identifier) @name body: (_)) @def.class
(class_specifier name: (template_type name: (type_identifier) @name) body: (_)) @def.class
(class_specifier name: (qualified_identifier) @qname body: (_)) @def.class
(struct_specifier name: (template_type name: (type_identifier) @name) body: (_)) @def.struct
(struct_specifier name: (qualified_identifier) @qname body: (_)) @def.struct
(namespace_definition name: (_) @name) @def.module
(alias_declaration name: (type_identifier) @name) @def.type
(concept_definition name: (identifier) @name) @def.interface
(operator_cast type: (_) @declares.function)
(function_declarator declarator: [(qualified_identifier) (destructor_name) (operator_name)] @declares.function)
(reference_declarator (field_identifier) @declares.variable)
(optional_parameter_declaration) @frame.none
(template_instantiation) @frame.none
((expression_statement (call_expression function: (identifier) @_f arguments: (argument_list . (string_literal) @name)))
  @def.test
  (#any-of? @_f "TEST_CASE" "SCENARIO" "TEMPLATE_TEST_CASE" "DOCTEST_TEST_CASE"))

(base_class_clause (type_identifier) @ref.inherit)
(base_class_clause (qualified_identifier name: (type_identifier) @ref.inherit))
(base_class_clause (template_type name: (type_identifier) @ref.inherit))
(base_class_clause (qualified_identifier name: (template_type name: (type_identifier) @ref.inherit)))
(call_expression function: (qualified_identifier name: (identifier) @ref.call))
(qualified_identifier name: (qualified_identifier name: (identifier) @ref.call))
(template_function name: (identifier) @ref.call)
(template_method name: (field_identifier) @ref.call)
(new_expression type: (type_identifier) @ref.call)
