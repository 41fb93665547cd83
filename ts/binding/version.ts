/** That of package.json, which a bundle does not have at hand. A test compares them. */
export const VERSION = '0.1.0';
