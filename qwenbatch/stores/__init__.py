"""Object stores: sources read from them, results put into them. It loads obstore where needed."""
