/* SPDX-License-Identifier: GPL-2.0 */
/* Connecting or sending to a socket file asks write on it. */
#ifndef BOESFS_SOCKET_BPF_H
#define BOESFS_SOCKET_BPF_H

#include "ask.bpf.h"

static __always_inline int boesfs_socket_ask(__u64 other, int ret)
{
	struct boesfs_caller caller;
	struct path path = {};

	BOESFS_BEGIN(caller, ret);
	boesfs_read(path, unix_sock, other, path);
	/* Abstract and unnamed ones are no files. */
	if (!path.dentry)
		return boesfs_end(&caller, 0);
	boesfs_args_unknown(&caller.scratch->work);
	/* The mount is that of whoever bound it, which may be in another namespace. */
	return boesfs_end(&caller, boesfs_ask_everywhere(&caller, path.dentry, BOESFS_KIND_SOCKET, BOESFS_OP_WRITE));
}

SEC("lsm/unix_stream_connect")
int BOESFS_DEEP_PROG(boesfs_unix_stream_connect, struct sock *sock, struct sock *other, struct sock *newsk, int ret)
{
	return boesfs_socket_ask((__u64)other, ret);
}

SEC("lsm/unix_may_send")
int BOESFS_DEEP_PROG(boesfs_unix_may_send, struct socket *sock, struct socket *other, int ret)
{
	struct sock *sock_of = other->sk;

	return sock_of ? boesfs_socket_ask((__u64)sock_of, ret) : ret;
}

#endif
