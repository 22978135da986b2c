; what TypeScript and TSX share
(ambient_declaration) @wrap
(class_declaration name: (type_identifier) @name) @def.class
(abstract_class_declaration name: (type_identifier) @name) @def.class
(interface_declaration name: (type_identifier) @name) @def.interface
(type_alias_declaration name: (type_identifier) @name) @def.type
(enum_declaration name: (identifier) @name) @def.enum
(enum_body (property_identifier) @name @def.field)
(enum_body (enum_assignment name: (property_identifier) @name) @def.field)
(internal_module name: (_) @name) @def.module
(module name: (_) @name) @def.module
(function_signature name: (identifier) @name) @def.prototype
(method_signature name: (_) @name) @def.method
(abstract_method_signature name: (_) @name) @def.method
(property_signature name: (property_identifier) @name) @def.field
(public_field_definition name: (_) @name value: [(arrow_function) (function_expression)]) @def.method
(public_field_definition name: (_) @name) @def.field
(ambient_declaration (lexical_declaration (variable_declarator name: (identifier) @name) @def.constant))
(ambient_declaration (variable_declaration (variable_declarator name: (identifier) @name) @def.constant))

(extends_clause value: (identifier) @ref.inherit)
(extends_clause value: (member_expression property: (property_identifier) @ref.inherit))
(extends_type_clause type: (type_identifier) @ref.inherit)
(extends_type_clause type: (generic_type name: (type_identifier) @ref.inherit))
(implements_clause (type_identifier) @ref.implement)
(implements_clause (generic_type name: (type_identifier) @ref.implement))
(type_query (identifier) @ref.type)
(type_identifier) @ref.type
