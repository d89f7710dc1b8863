"""A panel's figures anew, by the methods' own calls: settings -> kind -> figures."""
