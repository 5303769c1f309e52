package broker

// rule says which helper answers a key type, and in what form.
type rule struct {
	keyType string
	helper  string
	// form turns the helper's text into the payload the key type wants.
	form func(answer []byte) []byte
}

type rules []rule

// defaultRules are the built-in ones.
func defaultRules() rules {
	return rules{
		// net/dns_resolver/dns_key.c, dns_resolver_preparse: the text's NUL counts.
		{keyType: "dns_resolver", helper: HelperDNS, form: withNUL},
	}
}

// HelperDNS is the kind of helper that resolves names.
const HelperDNS = "dns-resolve"

func (rs rules) find(keyType string) (rule, bool) {
	for _, r := range rs {
		if r.keyType == keyType {
			return r, true
		}
	}
	return rule{}, false
}

func withNUL(b []byte) []byte { return append(append(make([]byte, 0, len(b)+1), b...), 0) }
