; JSON: keys of the first two levels
(comment) @comment
(document (object (pair key: (string (string_content) @name)) @def.section))
(document (object (pair value: (object (pair key: (string (string_content) @name)) @def.section))))
