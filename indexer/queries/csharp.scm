; C#
(comment) @comment

(namespace_declaration name: (_) @name) @def.module
(class_declaration name: (identifier) @name) @def.class
(record_declaration name: (identifier) @name) @def.class
(struct_declaration name: (identifier) @name) @def.struct
(interface_declaration name: (identifier) @name) @def.interface
(enum_declaration name: (identifier) @name) @def.enum
(enum_member_declaration name: (identifier) @name) @def.field
(delegate_declaration name: (identifier) @name) @def.type
((method_declaration (attribute_list (attribute name: (identifier) @_a)) name: (identifier) @name) @def.test
  (#any-of? @_a "Fact" "Theory" "Test" "TestCase" "TestMethod" "DataTestMethod" "Benchmark"))
(method_declaration name: (identifier) @name) @def.method
(constructor_declaration name: (identifier) @name) @def.method
(destructor_declaration name: (identifier) @name) @def.method
(local_function_statement name: (identifier) @name) @def.function
(property_declaration name: (identifier) @name) @def.field
(event_declaration name: (identifier) @name) @def.field
(field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @def.field
(event_field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @def.field

(using_directive [(identifier) (qualified_name)] @ref.import .)
(base_list [(identifier) @ref.inherit (generic_name (identifier) @ref.inherit)])
(base_list (qualified_name name: (identifier) @ref.inherit))
(base_list (primary_constructor_base_type type: (identifier) @ref.inherit))
(invocation_expression function: (identifier) @ref.call)
(invocation_expression function: (generic_name (identifier) @ref.call))
(invocation_expression function: (member_access_expression name: (identifier) @ref.call))
(invocation_expression function: (member_access_expression name: (generic_name (identifier) @ref.call)))
(invocation_expression function: (conditional_access_expression (member_binding_expression name: (identifier) @ref.call)))
(object_creation_expression type: (identifier) @ref.call)
(object_creation_expression type: (generic_name (identifier) @ref.call))
(parameter type: (identifier) @ref.type)
(parameter type: (generic_name (identifier) @ref.type))
(method_declaration returns: (identifier) @ref.type)
(method_declaration returns: (generic_name (identifier) @ref.type))
(property_declaration type: (identifier) @ref.type)
(variable_declaration type: (identifier) @ref.type)
(variable_declaration type: (generic_name (identifier) @ref.type))
(type_argument_list (identifier) @ref.type)
(attribute name: (identifier) @ref.type)
