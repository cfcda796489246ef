// SPDX-License-Identifier: MIT
// proxy.h - a stand-in for the network between a store and its PostgreSQL server: it listens on a Unix socket of its own
// and passes bytes on, until it is told to break at an exact place.
#ifndef TESTS_CONTRACT_PROXY_H
#define TESTS_CONTRACT_PROXY_H

#include <stdbool.h>
#include <stddef.h>

// What happens to the next request of a client (everything up to its Sync).
enum proxy_mode {
    PROXY_PASS,
    PROXY_CUT_REQUEST,  // it never reaches the server; both sides hang up
    PROXY_CUT_ANSWER,   // the server carries it out, and then both sides hang up before anything is answered
    PROXY_HOLD_END,     // all but its last bytes, COMMIT among them; the client hangs up, the server waits
    PROXY_HOLD_ALL,     // nothing of it reaches the server; the client hangs up
};

struct proxy;
// proxy_new stands between a new socket and the one at `folder`, `port`. NULL: it could not be made.
struct proxy *proxy_new(const char *folder, const char *port);
void proxy_free(struct proxy *p);
const char *proxy_folder(const struct proxy *p);  // its socket is there, with the same port
// proxy_next says what happens to the next request of any connection; requests behind it pass.
void proxy_next(struct proxy *p, enum proxy_mode mode);
// proxy_age makes the server say of itself that it is version 13.
void proxy_age(struct proxy *p);
// proxy_release lets the server have what was held back, and hangs up there when that was answered.
void proxy_release(struct proxy *p);

#endif
