; elements are calls of their components
((jsx_opening_element name: (identifier) @ref.call)
  (#capital? @ref.call ""))
((jsx_self_closing_element name: (identifier) @ref.call)
  (#capital? @ref.call ""))
(jsx_opening_element name: (member_expression property: (property_identifier) @ref.call))
(jsx_self_closing_element name: (member_expression property: (property_identifier) @ref.call))
