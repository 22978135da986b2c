/* What a renderer could make active of Markdown on standard input, a line each: "html", "link ADDRESS", "image ADDRESS". With everything that some
 * dialect knows: raw HTML, bare addresses, wiki links. For tests. */
#include "base/buf.h"

#include <md4c.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put(const char *kind, const MD_ATTRIBUTE *at)
{
    printf("%s %.*s\n", kind, at ? (int)at->size : 0, at ? at->text : "");
}

static int block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    (void)detail, (void)arg;
    if (type == MD_BLOCK_HTML)
        puts("html");
    return 0;
}

static int span(MD_SPANTYPE type, void *detail, void *arg)
{
    (void)arg;
    if (type == MD_SPAN_A)
        put("link", &((MD_SPAN_A_DETAIL *)detail)->href);
    else if (type == MD_SPAN_IMG)
        put("image", &((MD_SPAN_IMG_DETAIL *)detail)->src);
    else if (type == MD_SPAN_WIKILINK)
        put("link", &((MD_SPAN_WIKILINK_DETAIL *)detail)->target);
    return 0;
}

static int left(int type, void *detail, void *arg)
{
    (void)type, (void)detail, (void)arg;
    return 0;
}

static int leave_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
    return left((int)type, detail, arg);
}

static int leave_span(MD_SPANTYPE type, void *detail, void *arg)
{
    return left((int)type, detail, arg);
}

static int text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *arg)
{
    (void)p, (void)n, (void)arg;
    if (type == MD_TEXT_HTML)
        puts("html");
    return 0;
}

int main(void)
{
    struct buf b = BUF_INIT;
    for (ssize_t n; (n = read(STDIN_FILENO, buf_room(&b, 65536), 65536)) > 0;)
        b.len += (size_t)n;
    MD_PARSER p = {.flags = MD_DIALECT_GITHUB | MD_FLAG_PERMISSIVEAUTOLINKS | MD_FLAG_WIKILINKS, .enter_block = block, .leave_block = leave_block,
                   .enter_span = span, .leave_span = leave_span, .text = text};
    int rc = b.len ? md_parse(b.data, (MD_SIZE)b.len, &p, NULL) : 0;
    buf_release(&b);
    return rc != 0;
}
