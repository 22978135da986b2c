; Rust
(line_comment) @comment
(block_comment) @comment
(attribute_item) @attr
((attribute_item (attribute [(identifier) @_a (scoped_identifier name: (identifier) @_a)])) @attr.test
  (#any-of? @_a "test" "bench" "rstest" "test_case" "quickcheck" "wasm_bindgen_test"))

(function_item name: (identifier) @name) @def.function
(trait_item body: (declaration_list (function_signature_item name: (identifier) @name) @def.method))
(function_signature_item name: (identifier) @name) @def.prototype
(struct_item name: (type_identifier) @name) @def.struct
(enum_item name: (type_identifier) @name) @def.enum
(union_item name: (type_identifier) @name) @def.type
(trait_item name: (type_identifier) @name) @def.interface
(type_item name: (type_identifier) @name) @def.type
(associated_type name: (type_identifier) @name) @def.type
(const_item name: (identifier) @name) @def.constant
(static_item name: (identifier) @name) @def.constant
(macro_definition name: (identifier) @name) @def.macro
(mod_item name: (identifier) @name body: (_)) @def.module
(mod_item name: (identifier) @ref.import !body)
(impl_item type: (type_identifier) @name) @def.implementation
(impl_item type: (generic_type type: (type_identifier) @name)) @def.implementation
(impl_item type: (scoped_type_identifier name: (type_identifier) @name)) @def.implementation
(impl_item type: (reference_type type: (type_identifier) @name)) @def.implementation
(impl_item type: (reference_type type: (generic_type type: (type_identifier) @name))) @def.implementation
(impl_item type: (_) @name) @def.implementation
(field_declaration name: (field_identifier) @name) @def.field
(enum_variant name: (identifier) @name) @def.field

(macro_invocation (token_tree)) @salvage

(use_declaration (visibility_modifier) argument: (_) @ref.export)
(use_declaration argument: (_) @ref.import)
(impl_item trait: (type_identifier) @ref.implement)
(impl_item trait: (generic_type type: (type_identifier) @ref.implement))
(impl_item trait: (scoped_type_identifier name: (type_identifier) @ref.implement))
(impl_item trait: (generic_type type: (scoped_type_identifier name: (type_identifier) @ref.implement)))
(trait_item bounds: (trait_bounds (type_identifier) @ref.inherit))
(trait_item bounds: (trait_bounds (generic_type type: (type_identifier) @ref.inherit)))
(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression field: (field_identifier) @ref.call))
(call_expression function: (scoped_identifier name: (identifier) @ref.call))
(call_expression function: (generic_function function: (identifier) @ref.call))
(call_expression function: (generic_function function: (field_expression field: (field_identifier) @ref.call)))
(call_expression function: (generic_function function: (scoped_identifier name: (identifier) @ref.call)))
(macro_invocation macro: (identifier) @ref.call)
(type_identifier) @ref.type
