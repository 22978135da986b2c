; HTML: elements that have an id, and headings
(comment) @comment
((element (start_tag (attribute (attribute_name) @_a (quoted_attribute_value (attribute_value) @name)))) @def.section
  (#eq? @_a "id"))
((element (start_tag (tag_name) @_t) (text) @name) @def.section
  (#any-of? @_t "h1" "h2" "h3" "title"))
((script_element (start_tag (attribute (attribute_name) @_a (quoted_attribute_value (attribute_value) @ref.import))))
  (#eq? @_a "src"))
