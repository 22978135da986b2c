; PHP
(comment) @comment

(namespace_definition name: (_) @name body: (_)) @def.module
(class_declaration name: (name) @name) @def.class
(interface_declaration name: (name) @name) @def.interface
(trait_declaration name: (name) @name) @def.interface
(enum_declaration name: (name) @name) @def.enum
(enum_case name: (name) @name) @def.field
((method_declaration attributes: (attribute_list (attribute_group (attribute (name) @_a))) name: (name) @name) @def.test
  (#eq? @_a "Test"))
((method_declaration name: (name) @name) @def.maybe_test
  (#prefix? @name "test"))
(method_declaration name: (name) @name) @def.method
(function_definition name: (name) @name) @def.function
(const_declaration (const_element (name) @name)) @def.constant
(property_declaration (property_element name: (variable_name (name) @name))) @def.field
(property_promotion_parameter name: (variable_name (name) @name)) @def.field

(namespace_use_clause [(name) (qualified_name)] @ref.import)
(require_expression (string) @ref.import)
(require_once_expression (string) @ref.import)
(include_expression (string) @ref.import)
(base_clause [(name) @ref.inherit (qualified_name (name) @ref.inherit)])
(class_interface_clause [(name) @ref.implement (qualified_name (name) @ref.implement)])
(declaration_list (use_declaration [(name) @ref.implement (qualified_name (name) @ref.implement)]))
(function_call_expression function: [(name) @ref.call (qualified_name (name) @ref.call)])
(member_call_expression name: (name) @ref.call)
(nullsafe_member_call_expression name: (name) @ref.call)
(scoped_call_expression name: (name) @ref.call)
(object_creation_expression [(name) @ref.call (qualified_name (name) @ref.call)])
(named_type [(name) @ref.type (qualified_name (name) @ref.type)])
(class_constant_access_expression . (name) @ref.type)
