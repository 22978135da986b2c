; Markdown: sections by heading
(section . (atx_heading heading_content: (inline) @name)) @def.section
(section . (setext_heading heading_content: (paragraph) @name)) @def.section
(setext_heading heading_content: (paragraph) @name) @def.section
(document (section (paragraph) @header))
(html_block) @comment
