; Scala
(comment) @comment
(block_comment) @comment

(class_definition name: (_) @name) @def.class
(object_definition name: (_) @name) @def.module
(package_object name: (_) @name) @def.module
(trait_definition name: (_) @name) @def.interface
(enum_definition name: (_) @name) @def.enum
(simple_enum_case name: (_) @name) @def.field
(full_enum_case name: (_) @name) @def.field
((function_definition (annotation name: (type_identifier) @_a) name: (identifier) @name) @def.test
  (#eq? @_a "Test"))
(function_definition name: (_) @name) @def.function
(function_declaration name: (_) @name) @def.function
(val_definition pattern: (identifier) @name) @def.variable
(var_definition pattern: (identifier) @name) @def.variable
(val_declaration name: (identifier) @name) @def.variable
(class_parameters (class_parameter ["val" "var"] name: (identifier) @name) @def.field)
(type_definition name: (type_identifier) @name) @def.type
(given_definition name: (_) @name) @def.implementation
(extension_definition parameters: (parameters (parameter type: (type_identifier) @name))) @def.implementation
(extension_definition parameters: (parameters (parameter type: (generic_type type: (type_identifier) @name))))
  @def.implementation
((call_expression function: (call_expression function: (identifier) @_f arguments: (arguments . (string) @name))) @def.test
  (#any-of? @_f "test" "testAsync" "property" "it" "describe"))
((infix_expression left: (string) @name operator: (identifier) @_o) @def.test
  (#any-of? @_o "should" "in" "must" "when"))

(import_declaration) @ref.import
(extends_clause (type_identifier) @ref.inherit)
(extends_clause (generic_type . (type_identifier) @ref.inherit))
(extends_clause (compound_type [(type_identifier) @ref.inherit (generic_type . (type_identifier) @ref.inherit)]))
(given_definition return_type: (generic_type type: (type_identifier) @ref.implement))
(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression field: (identifier) @ref.call))
(call_expression function: (generic_function function: (identifier) @ref.call))
(call_expression function: (generic_function function: (field_expression field: (identifier) @ref.call)))
(infix_expression operator: (identifier) @ref.call)
(instance_expression (type_identifier) @ref.call)
(instance_expression (generic_type . (type_identifier) @ref.call))
(type_identifier) @ref.type
