; Make
(comment) @comment
(rule (targets (word) @name)) @def.section
(variable_assignment name: (word) @name) @def.variable
(shell_assignment name: (word) @name) @def.variable
(define_directive name: (word) @name) @def.macro
(include_directive filenames: (list (_) @ref.import))
(rule normal: (prerequisites (word) @ref.call))
