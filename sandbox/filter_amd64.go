package sandbox

// fstatat is the library's name for the call behind os.Stat.
const fstatat = "newfstatat"
