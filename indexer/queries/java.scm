; Java
(line_comment) @comment
(block_comment) @comment

(class_declaration name: (identifier) @name) @def.class
(record_declaration name: (identifier) @name) @def.class
(interface_declaration name: (identifier) @name) @def.interface
(annotation_type_declaration name: (identifier) @name) @def.interface
(enum_declaration name: (identifier) @name) @def.enum
(enum_constant name: (identifier) @name) @def.field
((method_declaration
  (modifiers [(marker_annotation name: (identifier) @_a) (annotation name: (identifier) @_a)])
  name: (identifier) @name) @def.test
  (#any-of? @_a "Test" "ParameterizedTest" "RepeatedTest" "TestFactory" "Property"))
((method_declaration name: (identifier) @name) @def.maybe_test
  (#prefix? @name "test"))
(method_declaration name: (identifier) @name) @def.method
(constructor_declaration name: (identifier) @name) @def.method
(compact_constructor_declaration name: (identifier) @name) @def.method
(annotation_type_element_declaration name: (identifier) @name) @def.method
(field_declaration declarator: (variable_declarator name: (identifier) @name)) @def.field
(constant_declaration declarator: (variable_declarator name: (identifier) @name)) @def.constant

((import_declaration (scoped_identifier) @evidence)
  (#prefix? @evidence "org.junit" "junit.framework" "org.testng"))
(import_declaration (scoped_identifier) @ref.import)
(superclass (type_identifier) @ref.inherit)
(superclass (generic_type . (type_identifier) @ref.inherit))
(superclass (scoped_type_identifier (type_identifier) @ref.inherit .))
(super_interfaces (type_list (type_identifier) @ref.implement))
(super_interfaces (type_list (generic_type . (type_identifier) @ref.implement)))
(extends_interfaces (type_list (type_identifier) @ref.inherit))
(extends_interfaces (type_list (generic_type . (type_identifier) @ref.inherit)))
(method_invocation name: (identifier) @ref.call)
(object_creation_expression type: (type_identifier) @ref.call)
(object_creation_expression type: (generic_type . (type_identifier) @ref.call))
(method_reference (identifier) @ref.call .)
(marker_annotation name: (identifier) @ref.type)
(annotation name: (identifier) @ref.type)
(type_identifier) @ref.type
