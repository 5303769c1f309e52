package config

import (
	"fmt"
	"os/user"
	"strconv"
)

// DefaultHelperUser is the user that the packages make for helpers
// (units/sysusers.conf).
const DefaultHelperUser = "upcalld-helper"

// findUser looks up whom helpers run as. Where the default user does not exist,
// as on a host that runs upcalld from its source, they run as the kernel's
// overflow user, with a warning. root is refused.
func (f *file) findUser(c *Config) error {
	u, err := user.Lookup(f.Helpers.User)
	if err != nil {
		if f.Helpers.User != DefaultHelperUser {
			return fmt.Errorf("helpers.user = %q: %w", f.Helpers.User, err)
		}
		c.Warnings = append(c.Warnings, fmt.Sprintf("there is no user %s: helpers run as uid %d, as other programs may",
			DefaultHelperUser, c.Policy.HelperUID))
		return nil
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil || uid <= 0 || gid <= 0 {
		return fmt.Errorf("helpers.user = %q: uid %s, gid %s: helpers never run as root", f.Helpers.User, u.Uid, u.Gid)
	}
	c.Policy.HelperUID, c.Policy.HelperGID = uid, gid
	return nil
}
