/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Odd names, and names that are hidden. */
#include "scene.h"



#define NAME255                                                                                                        \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"  \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"  \
	"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static const char *const odd_names[] = {
	"\xff\xfe\x80", "a\nb", "*", "?[{\\", " ", "-rf", "\x01\x7f", "caf\xc3\xa9", "cafe\xcc\x81", "..x", "...", NAME255,
};
#define ODD_NAMES (sizeof(odd_names) / sizeof(odd_names[0]))

static int lay_odd_names(const char *folder, const char *tree)
{
	(void)tree;
	for (size_t i = 0; i < ODD_NAMES; i++)
		STEP(put_text(below(folder, odd_names[i]), "a secret of an odd name\n"));
	return 0;
}

static int by_odd_names(struct scene *s)
{
	for (size_t i = 0; i < ODD_NAMES; i++) {
		int got = open_secret(AT_FDCWD, at(s, odd_names[i]), O_RDONLY);

		if (got != (s->control ? GAINED : -EACCES))
			return got;
	}
	return s->control ? GAINED : -EACCES;
}

static const char *const spellings[] = { "caf\xc3\xa9", "cafe\xcc\x81", "CAF\xc3\x89", "Cafe\xcc\x81" };

static int lay_spellings(const char *folder, const char *tree)
{
	(void)tree;
	STEP(put_text(below(folder, spellings[0]), "a secret of one spelling\n"));
	return 0;
}

/* The other spellings of a name are other names, of which nothing is there. */
static int by_other_spellings(struct scene *s)
{
	if (s->control)
		return open_secret(AT_FDCWD, at(s, spellings[0]), O_RDONLY);
	for (size_t i = 1; i < sizeof(spellings) / sizeof(spellings[0]); i++)
		if (open_secret(AT_FDCWD, at(s, spellings[i]), O_RDONLY) == GAINED)
			return GAINED;
	return open_secret(AT_FDCWD, at(s, spellings[0]), O_RDONLY);
}

static int making_odd_names(struct scene *s)
{
	char name[300];

	for (size_t i = 0; i < ODD_NAMES; i++) {
		/* One that is not there yet. */
		snprintf(name, sizeof(name), "%.250s~", odd_names[i]);
		if (open(at(s, name), O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0 && !s->control)
			return GAINED;
	}
	return s->control ? GAINED : -EACCES;
}

static int hidden_is_not_there(struct scene *s)
{
	struct stat st;

	if (!s->control && open(at(s, "file"), O_RDONLY) < 0 && errno != ENOENT)
		return GAINED;
	TRY(stat(at(s, "file"), &st));
	return GAINED;
}

static int hidden_reached(struct scene *s)
{
	struct stat st;
	int fd = TRY(open(at(s, "file"), O_PATH));

	TRY(fstat(fd, &st));
	return GAINED;
}

static int hidden_by_walking(struct scene *s)
{
	int dir = TRY(open(s->base, O_PATH | O_DIRECTORY));

	return open_secret(dir, "dir/inner", O_RDONLY);
}

static int hidden_by_cwd(struct scene *s)
{
	TRY(chdir(s->base));
	return open_secret(AT_FDCWD, "file", O_RDONLY);
}

static int hidden_by_access(struct scene *s)
{
	TRY(syscall(SYS_faccessat2, AT_FDCWD, at(s, "file"), F_OK, AT_SYMLINK_NOFOLLOW));
	return GAINED;
}

static int hidden_by_probing_names(struct scene *s)
{
	/* What is there and what is not must look alike. */
	int there, absent;

	there = mkdir(at(s, "dir"), 0700) ? errno : 0;
	absent = mkdir(at(s, "absent"), 0700) ? errno : 0;
	if (s->control)
		return there == EEXIST && absent == 0 ? GAINED : NOTHING;
	return there == absent ? -there : GAINED;
}

const struct attempt spelling_attempts[] = {
	{ "odd-names", 40, SEALED, by_odd_names, "names of raw bytes, line feeds, pattern signs, both spellings of é, 255 bytes",
	  "matching by bytes", .lay = lay_odd_names },
	{ "other-spellings", 41, SEALED, by_other_spellings, "composed and decomposed, large and small letters",
	  "matching by bytes; where case does not count, everything is denied: [planes](planes.md)", .lay = lay_spellings },
	{ "odd-names-made", 39, FROZEN, making_odd_names, "making such names", "`path_mknod`" },
	{ "hidden-stat", 0, HIDDEN, hidden_is_not_there, "a hidden name answers as one that is not there", "`lookup` on the way" },
	{ "hidden-reached", 0, HIDDEN, hidden_reached, "`O_PATH` of a hidden name", "`inode_permission`, `inode_getattr`" },
	{ "hidden-openat", 0, HIDDEN, hidden_by_walking, "`openat` of a hidden directory", "`file_open`" },
	{ "hidden-chdir", 0, HIDDEN, hidden_by_cwd, "`chdir` into a hidden directory", "`file_open`" },
	{ "hidden-access", 0, HIDDEN, hidden_by_access, "`faccessat2` of a hidden name", "`inode_permission`" },
	{ "hidden-probed", 0, HIDDEN, hidden_by_probing_names, "`mkdir` tells hidden names from free ones", "`path_mkdir`",
	  .also = -EEXIST },
	{},
};
