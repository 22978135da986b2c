/* A question that goes on with a conversation, as it is searched. */
#ifndef CODEASK_RETRIEVER_FOLLOW_H
#define CODEASK_RETRIEVER_FOLLOW_H

#include "base/arena.h"

/* The question, with the words of the earlier one behind it where it points back ("who calls it?") or has hardly any of its own
 * ("and in the tests?"). earlier: as that one was searched, so that words last over several turns; NULL: none. */
const char *follow_question(const char *question, const char *earlier, struct arena *arena);

#endif
