; Swift
(comment) @comment
(multiline_comment) @comment

(class_declaration declaration_kind: "struct" name: (type_identifier) @name) @def.struct
(class_declaration declaration_kind: "enum" name: (type_identifier) @name) @def.enum
(class_declaration declaration_kind: "extension" name: (_) @name) @def.implementation
(class_declaration name: (type_identifier) @name) @def.class
(protocol_declaration name: (type_identifier) @name) @def.interface
((function_declaration (modifiers (attribute (user_type (type_identifier) @_a))) name: (simple_identifier) @name) @def.test
  (#eq? @_a "Test"))
((function_declaration name: (simple_identifier) @name) @def.maybe_test
  (#prefix? @name "test"))
(function_declaration name: (simple_identifier) @name) @def.function
(function_declaration name: ["==" "!=" "<" ">" "<=" ">=" "+" "-" "*" "/" "%"] @name) @def.function
(protocol_function_declaration name: (simple_identifier) @name) @def.method
(init_declaration name: "init" @name) @def.method
(deinit_declaration "deinit" @name) @def.method
(subscript_declaration "subscript" @name) @def.method
(property_declaration name: (pattern bound_identifier: (simple_identifier) @name)) @def.variable
(protocol_property_declaration name: (pattern bound_identifier: (simple_identifier) @name)) @def.field
(typealias_declaration name: (type_identifier) @name) @def.type
(associatedtype_declaration name: (type_identifier) @name) @def.type
(enum_entry name: (simple_identifier) @name) @def.field
(macro_declaration (simple_identifier) @name) @def.macro

((import_declaration (identifier) @evidence)
  (#any-of? @evidence "XCTest" "Testing"))
(import_declaration (identifier) @ref.import)
(inheritance_specifier inherits_from: (user_type (type_identifier) @ref.inherit))
(call_expression . (simple_identifier) @ref.call)
(call_expression . (navigation_expression suffix: (navigation_suffix suffix: (simple_identifier) @ref.call)))
(type_identifier) @ref.type
